//! The sink against the stand-in, `redshift-sim`, whose rules have their sources beside them. What holds here was not seen on a real
//! cluster.

mod cluster;
mod cuts;
mod drift;
mod reasons;
mod values;
mod verbs;

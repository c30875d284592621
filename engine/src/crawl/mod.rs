//! `engine crawl`: from a location to tables of the catalog.
//!
//! [`examine`] looks at files, through [`connectors::files::crawl`] ([`database`] at databases), and decides what the catalog is to hold; [`apply`] writes that; [`report`]
//! and [`explain`] say it. Looking changes nothing, so a plan is a crawl that is not applied.
//!
//! A crawl goes on from the last one: the catalog keeps, of each table, all that was seen of it, and the name of the list of objects
//! in which it was seen. Both are written in one transaction and last, when the tables are: a crawl that is killed is done again and
//! comes to the same. What a policy refused is evidence all the same, so it is said again by each crawl until somebody decides.

pub mod apply;
pub mod choices;
pub mod database;
mod decide;
pub mod examine;
pub mod explain;
pub mod lock;
pub mod outcome;
pub mod policies;
pub mod report;

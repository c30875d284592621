//! Types of the API that describe themselves: from one declaration come the type, its JSON, and its schema in the API's description.
//!
//! JSON Schema 2020-12, which is what OpenAPI 3.1 has. A field is described by its comment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The schemas of named types.
pub(super) type Schemas = BTreeMap<&'static str, Value>;

/// A type with a schema.
pub(super) trait Described {
    /// Whether a request may leave it out.
    const IS_OPTIONAL: bool = false;

    /// Its schema; one that has a name goes into `named`, and is referred to.
    fn schema(named: &mut Schemas) -> Value;
}

/// Declares types: `struct` is answered, `input struct` is asked. A part that is put in with its own fields is written `..part: Type;`.
macro_rules! described {
    ($(#[doc = $doc:literal])* $vis:vis input struct $name:ident as $called:literal {
        $($(#[doc = $told:literal])* $field:ident: $type:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $vis struct $name { $($(#[doc = $told])* $field: $type,)* }
        described!(@schema $name, $called, [$($doc),*], [], [$(([$($told),*], $field, $type)),*]);
    };
    ($(#[doc = $doc:literal])* $vis:vis struct $name:ident as $called:literal {
        $(..$part:ident: $whole:ty;)?
        $($(#[doc = $told:literal])* $field:ident: $type:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, serde::Serialize)]
        $vis struct $name {
            $(#[serde(flatten)] $part: $whole,)?
            $($(#[doc = $told])* $field: $type,)*
        }
        described!(@schema $name, $called, [$($doc),*], [$($whole)?], [$(([$($told),*], $field, $type)),*]);
    };
    (@schema $name:ident, $called:literal, [$($doc:literal),*], [$($whole:ty)?], [$(([$($told:literal),*], $field:ident, $type:ty)),*]) => {
        impl $crate::serve::web::described::Described for $name {
            fn schema(named: &mut $crate::serve::web::described::Schemas) -> serde_json::Value {
                use $crate::serve::web::described::{Described, Object};
                if !named.contains_key($called) {
                    // A type that has itself in it is not described for ever.
                    named.insert($called, serde_json::Value::Null);
                    let mut object = Object::new(&[$($doc),*]);
                    $(object.put_in(<$whole as Described>::schema(named));)?
                    $({
                        let schema = <$type as Described>::schema(named);
                        object.field(stringify!($field), <$type as Described>::IS_OPTIONAL, schema, &[$($told),*]);
                    })*
                    named.insert($called, object.schema());
                }
                serde_json::json!({"$ref": format!("#/components/schemas/{}", $called)})
            }
        }
    };
}
pub(super) use described;

/// The schema of a type with fields, while it is made.
#[derive(Debug)]
pub(super) struct Object {
    doc: String,
    properties: Map<String, Value>,
    required: Vec<String>,
    whole: Option<Value>,
}

impl Object {
    pub(super) fn new(doc: &[&str]) -> Self {
        Self { doc: text(doc), properties: Map::new(), required: Vec::new(), whole: None }
    }

    /// All fields of another type are fields of this one.
    pub(super) fn put_in(&mut self, whole: Value) {
        self.whole = Some(whole);
    }

    pub(super) fn field(&mut self, name: &str, is_optional: bool, schema: Value, told: &[&str]) {
        let name = name.trim_start_matches("r#");
        let described = match schema {
            // What stands beside a reference counts as well, in OpenAPI 3.1.
            Value::Object(mut schema) => {
                schema.insert("description".to_owned(), text(told).into());
                Value::Object(schema)
            }
            other => other,
        };
        self.properties.insert(name.to_owned(), described);
        if !is_optional {
            self.required.push(name.to_owned());
        }
    }

    pub(super) fn schema(self) -> Value {
        let mut own = json!({"type": "object", "properties": self.properties});
        if !self.required.is_empty() {
            own["required"] = self.required.into();
        }
        match self.whole {
            Some(whole) => json!({"description": self.doc, "allOf": [whole, own]}),
            None => {
                own["description"] = self.doc.into();
                own
            }
        }
    }
}

/// The lines of a comment as one text.
fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

macro_rules! plain {
    ($($type:ty => $schema:tt),* $(,)?) => {
        $(impl Described for $type {
            fn schema(_: &mut Schemas) -> Value {
                json!($schema)
            }
        })*
    };
}

plain! {
    String => {"type": "string"},
    &'static str => {"type": "string"},
    bool => {"type": "boolean"},
    u16 => {"type": "integer", "minimum": 0},
    u32 => {"type": "integer", "minimum": 0},
    u64 => {"type": "integer", "minimum": 0},
    usize => {"type": "integer", "minimum": 0},
    i64 => {"type": "integer"},
    f64 => {"type": "number"},
    DateTime<Utc> => {"type": "string", "format": "date-time"},
    Map<String, Value> => {"type": "object"},
    Box<RawValue> => {"type": "array", "items": {"type": "object"}},
}

impl<T: Described> Described for Vec<T> {
    fn schema(named: &mut Schemas) -> Value {
        json!({"type": "array", "items": T::schema(named)})
    }
}

impl<T: Described> Described for Option<T> {
    const IS_OPTIONAL: bool = true;

    fn schema(named: &mut Schemas) -> Value {
        json!({"anyOf": [T::schema(named), {"type": "null"}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    described! {
        /// A thing.
        pub(crate) struct Thing as "Thing" {
            /// How many
            /// of them.
            count: u32,
            /// As SQL has it.
            r#type: Option<String>,
        }
    }

    described! {
        /// More of it.
        struct More as "More" {
            ..thing: Thing;
            /// Others.
            others: Vec<Thing>,
        }
    }

    #[test]
    fn a_declaration_is_a_type_and_its_schema() {
        let thing = || Thing { count: 1, r#type: None };
        let more = serde_json::to_value(More { thing: thing(), others: vec![thing()] }).unwrap();
        assert_eq!(more, json!({"count": 1, "type": null, "others": [{"count": 1, "type": null}]}));
        let mut named = Schemas::new();
        assert_eq!(More::schema(&mut named), json!({"$ref": "#/components/schemas/More"}));
        assert_eq!(
            named["Thing"],
            json!({
                "type": "object",
                "description": "A thing.",
                "properties": {
                    "count": {"type": "integer", "minimum": 0, "description": "How many of them."},
                    "type": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "As SQL has it."},
                },
                "required": ["count"],
            })
        );
        assert_eq!(named["More"]["allOf"][0], json!({"$ref": "#/components/schemas/Thing"}));
    }
}

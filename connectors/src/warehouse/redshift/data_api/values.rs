//! Results as the service has them: a value says its kind, and becomes the text that the other protocol has (Field).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::warehouse::redshift::session::TextRow;

/// The rows of a page; `None` when it is none.
pub(super) fn rows(page: &Value) -> Option<Vec<TextRow>> {
    page.get("Records")?.as_array()?.iter().map(row).collect()
}

fn row(record: &Value) -> Option<TextRow> {
    record.as_array()?.iter().map(text).collect()
}

/// The text of a value: the inner `None` is NULL, the outer a kind that is not known.
fn text(field: &Value) -> Option<Option<String>> {
    let (kind, value) = field.as_object()?.iter().next()?;
    Some(match (kind.as_str(), value) {
        ("isNull", _) => None,
        ("stringValue", Value::String(text)) => Some(text.clone()),
        ("longValue" | "doubleValue", Value::Number(number)) => Some(number.to_string()),
        // JSON has no number for them.
        ("doubleValue", Value::String(text)) => Some(text.clone()),
        ("booleanValue", Value::Bool(flag)) => Some(if *flag { "t" } else { "f" }.to_owned()),
        ("blobValue", Value::String(bytes)) => Some(hex::encode(STANDARD.decode(bytes).ok()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_becomes_the_text_of_the_other_protocol() {
        let page = json!({"Records": [[
            {"stringValue": "a"}, {"longValue": -3}, {"doubleValue": 0.1}, {"doubleValue": "NaN"}, {"booleanValue": true},
            {"booleanValue": false}, {"isNull": true}, {"blobValue": "AP8="}
        ]]});
        let expected = ["a", "-3", "0.1", "NaN", "t", "f", "-", "00ff"];
        let expected: TextRow = expected.map(|text| (text != "-").then(|| text.to_owned())).to_vec();
        assert_eq!(rows(&page), Some(vec![expected]));
        assert_eq!(rows(&json!({"Records": [[{"arrayValue": []}]]})), None);
        assert_eq!(rows(&json!({})), None);
    }
}

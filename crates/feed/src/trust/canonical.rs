//! OLPC canonical JSON: the one spelling of a value that TUF signs.
//!
//! Keys sorted by their bytes, no blanks, and in strings only `"` and `\` escaped. No fractions.
//! Source: the TUF specification, section 4.2.

use serde_json::Value;

/// Deepest nesting written.
const DEPTH_MAX: usize = 32;

/// None for a fraction, and deeper than any metadata is.
pub(crate) fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(value, &mut out, 0)?;
    Some(out)
}

fn write(value: &Value, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Number(number) if number.is_f64() => return None,
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(value, out, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| name.as_bytes());
            out.push(b'{');
            for (at, (name, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write(value, out, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_is_one_spelling() {
        let value = json!({ "b": [1, true, null], "a": { "z": "q\"\\\n", "y": -3 } });
        let expected = "{\"a\":{\"y\":-3,\"z\":\"q\\\"\\\\\n\"},\"b\":[1,true,null]}";
        assert_eq!(canonical(&value).map(|bytes| String::from_utf8(bytes).expect("UTF-8")), Some(expected.to_owned()));
        assert_eq!(canonical(&json!([1.5])), None);
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(canonical(&deep), None);
    }
}

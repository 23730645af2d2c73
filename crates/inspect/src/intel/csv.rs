//! A line of comma-separated values: fields in quotes or bare, quotes doubled inside, spaces around allowed.

/// The fields of a line. A quote that is not closed goes to the end of the line.
pub(super) fn fields(line: &str) -> Vec<String> {
    const FIELDS_MAX: usize = 64;
    let mut fields = Vec::new();
    let mut rest = line.trim();
    while fields.len() < FIELDS_MAX {
        let field;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut value = String::new();
            let mut parts = quoted;
            loop {
                let Some((inside, behind)) = parts.split_once('"') else {
                    value.push_str(parts);
                    rest = "";
                    break;
                };
                value.push_str(inside);
                match behind.strip_prefix('"') {
                    Some(more) => {
                        value.push('"');
                        parts = more;
                    }
                    None => {
                        rest = behind;
                        break;
                    }
                }
            }
            field = value;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (bare, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            field = bare.trim().to_owned();
            rest = behind;
        }
        fields.push(field);
        match rest.trim_start().strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    fields
}

/// Where the columns are. Feeds write the header as a comment; without one, `usual` names the columns in their order.
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// Looks for a header that has `telling` among its columns.
    pub(super) fn find(bytes: &[u8], telling: &str, usual: &str) -> Self {
        const HEAD_BYTES: usize = 16 << 10;
        let head = String::from_utf8_lossy(bytes.get(..HEAD_BYTES).unwrap_or(bytes));
        let header = head
            .lines()
            .map(|line| fields(line.trim_start_matches(['#', ' '])))
            .find(|fields| fields.iter().any(|field| field == telling));
        Self(header.unwrap_or_else(|| fields(usual)))
    }

    /// A line's field of the column; empty if there is none.
    pub(super) fn get<'f>(&self, fields: &'f [String], column: &str) -> &'f str {
        let at = self.0.iter().position(|name| name == column);
        at.and_then(|at| fields.get(at)).map_or("", String::as_str)
    }

    /// Whether the line is the header itself.
    pub(super) fn is_header(&self, fields: &[String]) -> bool {
        fields == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn fields_are_read_as_feeds_write_them() {
        assert_eq!(fields(r#""a", "b,""c""",, d ,"e"#), ["a", "b,\"c\"", "", "d", "e"]);
        assert_eq!(fields(""), [""]);
    }
}

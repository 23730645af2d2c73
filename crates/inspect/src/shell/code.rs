//! Which text is source code, where its first line does not tell.

use std::sync::LazyLock;

use regex::Regex;

use super::clues;
use crate::detectors::Sample;

/// Most bytes that are read to tell.
const HEAD_BYTES_MAX: usize = 4096;

static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^\s*(?:(?:const|let|var)\s+[\w{}, $]+=\s*(?:await\s+)?(?:require|import)\(|import\s[^\n;]*\sfrom\s+['"]|(?:async\s+)?function\s+\w+\(|use\s+[A-Z]\w+(?:::\w+)*;|from\s+[\w.]+\s+import\s|def\s+\w+\(.*\):\s*$)"#,
    )
    .expect("the pattern is a constant, and a test runs it")
});

/// Whether an interpreter reads the file as it is: by its first statement, or by a later one that only source code has.
pub(crate) fn is_code(sample: &Sample<'_>) -> bool {
    let head = sample.bytes.get(..HEAD_BYTES_MAX).unwrap_or(sample.bytes);
    clues::is_script(sample) || STATEMENT.is_match(&String::from_utf8_lossy(head))
}

#[cfg(test)]
mod tests {
    use model::FileKind;

    use super::*;

    #[test]
    fn a_guard_before_the_first_import_hides_no_code() {
        let check = |text: &str, expected| {
            let sample = Sample { bytes: text.as_bytes(), kind: FileKind::Text, hits: &[], place: None };
            assert_eq!(is_code(&sample), expected, "{text}");
        };
        check("if (process.env.CI) process.exit(0);\nconst fs = require('fs');\n", true);
        check("~/.aws/credentials\n~/.ssh/id_rsa\n", false);
        check("Keys are read from these places:\n\n- ~/.ssh/id_rsa\n", false);
    }
}

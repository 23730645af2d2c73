//! Arguments that an image's own labels tell people to give it: `docker run -e KEY=value some/image ARGUMENTS`.

use model::ImageConfig;

/// Most examples that are tried.
const EXAMPLES_MAX: usize = 2;
/// Most bytes of all labels that are read, and of one example.
const LABELS_BYTES_MAX: usize = 64 << 10;
const EXAMPLE_BYTES_MAX: usize = 2 << 10;
/// Options of `docker run` that stand alone; every other takes what follows it, unless `=` joins them.
const ALONE: &[&str] = &[
    "--rm",
    "-d",
    "--detach",
    "-i",
    "--interactive",
    "-t",
    "--tty",
    "-it",
    "-ti",
    "-dit",
    "-itd",
    "-P",
    "--publish-all",
    "--privileged",
    "--read-only",
    "--init",
    "--no-healthcheck",
    "--oom-kill-disable",
    "-q",
    "--quiet",
];

/// Commands to run, each the image's entry point with the arguments of an example; the purpose of a run says which.
pub(crate) fn examples(config: &ImageConfig) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut left = LABELS_BYTES_MAX;
    for text in config.labels.values() {
        let Some(rest) = left.checked_sub(text.len()) else { break };
        left = rest;
        for arguments in text.lines().flat_map(of_line) {
            let command: Vec<String> = config.entrypoint.iter().cloned().chain(arguments.iter().cloned()).collect();
            if arguments != config.cmd && found.iter().all(|(_, known)| *known != command) && found.len() < EXAMPLES_MAX
            {
                found.push((format!("arguments of its documentation: {}", arguments.join(" ")), command));
            }
        }
    }
    found
}

/// The arguments of each `docker run` in a line; those without any are left out.
fn of_line(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for tool in ["docker run ", "podman run ", "nerdctl run "] {
        for (at, _) in line.match_indices(tool).take(EXAMPLES_MAX) {
            let rest = line.get(at + tool.len()..).unwrap_or_default();
            let end = rest.find(['`', '|', ';', '&', '<', '>', '\\']).unwrap_or(rest.len()).min(EXAMPLE_BYTES_MAX);
            let arguments = after_image(rest.get(..end).unwrap_or_default());
            if !arguments.is_empty() {
                found.push(arguments);
            }
        }
    }
    found
}

/// What stands behind the image's name; quotes around one word are taken off.
fn after_image(rest: &str) -> Vec<String> {
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            break;
        }
        if !ALONE.contains(&word) && !word.contains('=') {
            words.next();
        }
    }
    words.map(|word| word.trim_matches(['"', '\'']).to_owned()).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(label: &str) -> ImageConfig {
        ImageConfig {
            entrypoint: vec!["/app".to_owned()],
            cmd: vec!["serve".to_owned()],
            labels: [("usage".to_owned(), label.to_owned())].into(),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn the_arguments_of_an_example() {
        let told = "Usage:\n  docker run --rm -e KEY=1 -p 80:80 some/app:2 --target 'example.com' --rate 5\n";
        let found = examples(&config(told));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, ["/app", "--target", "example.com", "--rate", "5"]);
        assert_eq!(found[0].0, "arguments of its documentation: --target example.com --rate 5");
    }

    #[test]
    fn examples_without_arguments_or_with_those_it_has_anyway_are_none() {
        for label in [
            "docker run --rm some/app",
            "`docker run -it some/app serve`",
            "docker run",
            "run it with docker run ",
            "nothing",
        ] {
            assert_eq!(examples(&config(label)), [], "{label}");
        }
    }

    #[test]
    fn a_flood_of_examples_is_cut() {
        let many: String = (0..10_000).map(|number| format!("docker run x a{number}\n")).collect();
        assert_eq!(examples(&config(&many)).len(), 0, "more than is read");
        assert_eq!(examples(&config(&many[..40_000])).len(), EXAMPLES_MAX);
        assert_eq!(of_line("docker run \u{1f980}"), Vec::<Vec<String>>::new());
    }
}

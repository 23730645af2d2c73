//! Decoy credentials: what a thief looks for, where it looks for it. Invented, valid nowhere; each holds a mark that nothing else contains.

use base64::prelude::*;
use model::Canary;

use super::world::draw;

/// A file to plant, by the launcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoy {
    /// Absolute.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub bytes: Vec<u8>,
}

/// The decoys of one run, and where they lie under `home` (`/root` for root). The first is the one that metadata services hand out: it has no file.
///
/// Account ids are Amazon's for documentation; keys have the right length and look, and no service ever issued them. None is a key
/// of any cipher: the bodies are drawn from the seed.
#[must_use]
pub fn canaries(seed: u64, home: &str) -> Vec<(Canary, Vec<Decoy>)> {
    let letters = |what: &str, length: usize, alphabet: &[u8]| -> String {
        (0..length)
            .map(|at| {
                let drawn = draw(seed, what, &at.to_string()) as usize % alphabet.len();
                char::from(alphabet.get(drawn).copied().unwrap_or(b'x'))
            })
            .collect()
    };
    let upper = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mixed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let hexes = b"0123456789abcdef";
    let home = home.trim_end_matches('/');
    let file = |path: &str, mode: u32, text: String| Decoy {
        path: if path.starts_with('/') { path.to_owned() } else { format!("{home}/{path}") },
        mode,
        bytes: text.into_bytes(),
    };
    let canary = |kind: &str, path: Option<&str>, mark: &str| Canary {
        kind: kind.to_owned(),
        path: path.map(|path| if path.starts_with('/') { path.to_owned() } else { format!("{home}/{path}") }),
        mark: mark.to_owned(),
    };

    let metadata = format!("ASIA{}", letters("metadata", 16, upper));
    let aws = format!("AKIA{}", letters("aws", 16, upper));
    let aws_text = format!(
        "[default]\naws_access_key_id = {aws}\naws_secret_access_key = {}\nregion = eu-central-1\n",
        letters("aws-secret", 40, mixed)
    );
    let ssh = letters("ssh", 64, mixed);
    let ssh_text = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n{ssh}\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        letters("ssh-rest", 70, mixed)
    );
    let docker = letters("docker", 32, mixed);
    // The mark is inside base64, as in a real one.
    let docker_auth = BASE64_STANDARD.encode(format!("deploy:dckr_pat_{docker}"));
    let docker_text = format!("{{\"auths\":{{\"registry.example.net\":{{\"auth\":\"{docker_auth}\"}}}}}}\n");
    let token = letters("kubernetes", 48, mixed);
    let header = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","kid":"decoy"}"#);
    let claims = BASE64_URL_SAFE_NO_PAD
        .encode(br#"{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:default:default"}"#);
    let git = format!("ghp_{}", letters("git", 36, mixed));
    let password = letters("history", 20, mixed);
    let history_text = format!(
        "ls -la\ncd /srv/app\ngit pull\nmysql -h db.example.net -u app -p{password}\ndocker ps\nssh deploy@198.51.100.24\nexit\n"
    );
    let wallet = letters("wallet", 40, mixed);
    let mut wallet_bytes = vec![0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x62, 0x31, 5, 0, 9, 0, 0, 0, 0, 0x20, 0, 0];
    wallet_bytes.extend_from_slice(format!("\u{4}name\"{wallet}\u{5}mkey").as_bytes());
    wallet_bytes.extend_from_slice(letters("wallet-rest", 512, hexes).as_bytes());
    wallet_bytes.resize(12_288, 0);
    let browser = letters("browser", 32, mixed);
    let browser_text = format!(
        "{{\"nextId\":2,\"logins\":[{{\"id\":1,\"hostname\":\"https://mail.example.net\",\"encryptedUsername\":\"MDIEEPgA{}\",\"encryptedPassword\":\"{browser}\"}}]}}\n",
        letters("browser-user", 24, mixed)
    );
    let secret = letters("env", 40, hexes);
    let env_text = format!(
        "APP_ENV=production\nDATABASE_URL=postgres://app:{secret}@db.example.net:5432/app\nSECRET_KEY={secret}\n"
    );

    let service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
    let profile = ".mozilla/firefox/k3v9x2qa.default-release/logins.json";
    vec![
        (canary("cloud-metadata", None, &metadata), Vec::new()),
        (canary("aws-key", Some(".aws/credentials"), &aws), vec![file(".aws/credentials", 0o600, aws_text)]),
        (
            canary("ssh-key", Some(".ssh/id_ed25519"), &ssh),
            vec![
                file(".ssh/id_ed25519", 0o600, ssh_text),
                file(
                    ".ssh/known_hosts",
                    0o644,
                    format!("198.51.100.24 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}\n", letters("known", 43, mixed)),
                ),
            ],
        ),
        (
            canary("docker-config", Some(".docker/config.json"), &docker),
            vec![file(".docker/config.json", 0o600, docker_text)],
        ),
        (
            canary("kubernetes-token", Some(&format!("{service_account}/token")), &token),
            vec![
                file(&format!("{service_account}/token"), 0o644, format!("{header}.{claims}.{token}")),
                file(&format!("{service_account}/namespace"), 0o644, "default".to_owned()),
            ],
        ),
        (
            canary("git-credentials", Some(".git-credentials"), &git),
            vec![file(".git-credentials", 0o600, format!("https://deploy:{git}@github.com\n"))],
        ),
        (canary("shell-history", Some(".bash_history"), &password), vec![file(".bash_history", 0o600, history_text)]),
        (
            canary("wallet", Some(".bitcoin/wallet.dat"), &wallet),
            vec![Decoy { path: format!("{home}/.bitcoin/wallet.dat"), mode: 0o600, bytes: wallet_bytes }],
        ),
        (canary("browser", Some(profile), &browser), vec![file(profile, 0o600, browser_text)]),
        (canary("environment-file", Some(".env"), &secret), vec![file(".env", 0o600, env_text)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_in_its_file_and_in_no_other() {
        let all = canaries(9, "/root");
        for (canary, decoys) in &all {
            assert!(canary.mark.len() >= 20, "{}", canary.kind);
            let holders: Vec<&str> = all
                .iter()
                .flat_map(|(_, decoys)| decoys)
                .filter(|decoy| decoy.bytes.windows(canary.mark.len()).any(|window| window == canary.mark.as_bytes()))
                .map(|decoy| decoy.path.as_str())
                .collect();
            // That of the docker configuration is inside base64.
            let hidden = canary.kind == "docker-config";
            assert_eq!(decoys.is_empty(), canary.path.is_none());
            assert_eq!(holders, Vec::from_iter(canary.path.as_deref().filter(|_| !hidden)), "{}", canary.kind);
        }
    }

    #[test]
    fn they_are_the_same_for_a_seed_only() {
        assert_eq!(canaries(1, "/root"), canaries(1, "/root"));
        assert_ne!(canaries(1, "/root")[1].0.mark, canaries(2, "/root")[1].0.mark);
    }
}

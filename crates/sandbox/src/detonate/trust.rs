//! What is put into every sandbox beside the image: our CA in its trust stores, name servers, decoys.

use model::Canary;

use crate::{
    internet::{canaries::canaries, device::Address},
    launch::{Owner, Planted},
};

/// Where the common distributions keep the certificates they trust. All the sample can reach is signed by our CA, so that it replaces
/// them: Debian, Alpine, Arch; Red Hat; SUSE; OpenSSL's own file; BSD style.
const TRUST_STORES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/usr/lib/ssl/cert.pem",
    "/etc/ssl/cert.pem",
];
/// Variables that name the same file to programs which bring certificates of their own: OpenSSL and Go, Python's requests, Node, curl, git.
const TRUST_VARIABLES: [&str; 5] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"];

/// Files to plant, and the decoys among them.
pub(super) fn planted(
    pem: &str,
    seed: u64,
    user: &str,
    hostname: &str,
    address: &Address,
) -> (Vec<Planted>, Vec<Canary>) {
    let root = |path: &str, mode, text: String| Planted {
        path: path.to_owned(),
        mode,
        owner: Owner::Root,
        bytes: text.into_bytes(),
    };
    let mut planted: Vec<Planted> = TRUST_STORES.iter().map(|path| root(path, 0o644, pem.to_owned())).collect();
    planted.push(root("/.dockerenv", 0o755, String::new()));
    planted.push(root("/etc/hostname", 0o644, format!("{hostname}\n")));
    planted.push(root("/etc/resolv.conf", 0o644, "nameserver 8.8.8.8\nnameserver 1.1.1.1\n".to_owned()));
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n{}\t{hostname}\n",
        address.v4
    );
    planted.push(root("/etc/hosts", 0o644, hosts));
    let mut known = Vec::new();
    for (canary, files) in canaries(seed, &home(user)) {
        for file in files {
            planted.push(Planted { path: file.path, mode: file.mode, owner: Owner::User, bytes: file.bytes });
        }
        known.push(canary);
    }
    (planted, known)
}

/// The image's variables, with those that make programs trust our CA; what the image sets itself stays.
pub(super) fn environment(of_image: &[String]) -> Vec<String> {
    let mut environment = of_image.to_vec();
    for name in TRUST_VARIABLES {
        if !of_image.iter().any(|set| set.split('=').next() == Some(name)) {
            environment.push(format!("{name}={}", TRUST_STORES[0]));
        }
    }
    environment
}

/// The home folder of the image's user, by custom: the launcher looks it up for the sample, decoys need only be plausible.
fn home(user: &str) -> String {
    match user.split(':').next().unwrap_or_default() {
        "" | "root" | "0" => "/root".to_owned(),
        name if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) => {
            format!("/home/{name}")
        }
        _ => "/root".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_image_sets_itself_stays() {
        let set = environment(&["SSL_CERT_FILE=/mine".to_owned()]);
        assert_eq!(set.iter().filter(|line| line.starts_with("SSL_CERT_FILE=")).count(), 1);
        assert_eq!(set.len(), TRUST_VARIABLES.len());
    }

    #[test]
    fn a_user_is_no_path() {
        assert_eq!([home(""), home("app:app"), home("../../x")], ["/root", "/home/app", "/root"]);
    }
}

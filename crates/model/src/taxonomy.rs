//! The words of a judgement. Their order is part of the contract: `Ord` follows "worse" or "surer".

/// An enum whose values are words of JSON, the command line and pages: `Serialize`, `Deserialize`, `Display`, `FromStr`, `ALL`, `word()`.
/// Its user depends on `serde`.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in JSON, on the command line, in the feed and on pages.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.pad(self.word()) }
        }

        impl ::std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|value| value.word() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|value| value.word()).collect();
                    format!("{text:?} is none of {}", words.join(", "))
                })
            }
        }
    };
}

words! {
    /// What an image can be; a set, because it can be several things at once.
    Category {
        /// Mines a cryptocurrency.
        Cryptominer = "cryptominer",
        /// Floods targets that are built in or fetched.
        Ddos = "ddos",
        /// Gives somebody else a way in: reverse shell, planted key, dropper, rootkit.
        Backdoor = "backdoor",
        /// Spreads itself.
        Worm = "worm",
        /// Collects credentials it was not given.
        CredentialTheft = "credential-theft",
        /// Encrypts for money.
        Ransomware = "ransomware",
        /// Destroys data.
        Wiper = "wiper",
        /// Leaves the container for the host.
        ContainerEscape = "container-escape",
        /// Sells the host's bandwidth.
        Proxyware = "proxyware",
        /// Scanner, cracker, exploit kit, stress tool: dual use.
        HackingTool = "hacking-tool",
        /// Ships a secret that should have stayed private.
        EmbeddedSecret = "embedded-secret",
        /// Names a website known to be malicious.
        MaliciousWebsite = "malicious-website",
        /// Names a domain registered only recently.
        NewlyRegisteredDomain = "newly-registered-domain",
        /// Names a host under a dynamic DNS provider.
        DynamicDns = "dynamic-dns",
        /// VPN, Tor, tunnel or relay client.
        ProxyAvoidance = "proxy-avoidance",
        /// Claims to be something it does not descend from.
        Impersonation = "impersonation",
        /// Lures people to give something away.
        Phishing = "phishing",
        /// Search spam.
        Spam = "spam",
        /// None of the above.
        Other = "other",
    }
}

words! {
    /// How an image ends, in the order `--fail-on` uses. `undetermined` stands beside the four, not above them.
    Disposition {
        /// Nothing found that matters, and nothing that matters was left out.
        Clean = "clean",
        /// Dual use, declared, or leaky: a person should know.
        Risky = "risky",
        /// Evidence of malice that does not suffice alone.
        Suspicious = "suspicious",
        /// Evidence that stands.
        Malicious = "malicious",
        /// Something that could matter was not looked at. Never shown as clean.
        Undetermined = "undetermined",
    }
}

words! {
    /// How bad it is if true.
    Severity {
        /// Worth knowing.
        Info = "info",
        /// Little harm.
        Low = "low",
        /// Some harm.
        Medium = "medium",
        /// Great harm.
        High = "high",
        /// The worst.
        Critical = "critical",
    }
}

words! {
    /// How sure we are that it is what we say.
    Confidence {
        /// Could easily be something else.
        Low = "low",
        /// More likely than not.
        Medium = "medium",
        /// Hard to explain otherwise.
        High = "high",
        /// Verified, for example by a checksum.
        Certain = "certain",
    }
}

words! {
    /// How far a detector is trusted. A `draft` alone raises at most `risky`.
    Maturity {
        /// Its false-alarm rate is not measured yet.
        Draft = "draft",
        /// Measured on benign images; the commit that promoted it has the figure.
        Stable = "stable",
        /// Kept for old records, not run by default.
        Deprecated = "deprecated",
    }
}

words! {
    /// What an observation counts for when the verdict is made.
    Weight {
        /// A fact about the image (a URL in a document, a static binary). Never changes the disposition.
        Fact = "fact",
        /// Supports its category; two signs from different detectors make a proof.
        Sign = "sign",
        /// Is the thing itself, recognised by content and not by name.
        Proof = "proof",
    }
}

//! Compiles the BPF programs where clang is, and takes the checked-in objects otherwise. Where it is wrong, the checked-in ones stay good.
#![expect(clippy::disallowed_methods, reason = "runs the compiler that cargo does not know")]

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAMS: [&str; 2] = ["sensor", "guard"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-changed=object");
    println!("cargo::rerun-if-env-changed=LAZARET_BPF_CLANG");
    let clang = env::var("LAZARET_BPF_CLANG").unwrap_or_else(|_| "clang".to_owned());
    let mut version = String::new();
    for program in PROGRAMS {
        let to = out.join(format!("{program}.o"));
        if compile(&clang, &root.join("bpf"), program, &to) {
            version = version_of(&clang);
        } else {
            fs::copy(root.join(format!("object/{program}.o")), &to)?;
        }
    }
    println!("cargo::rustc-env=LAZARET_BPF_COMPILER={version}");
    Ok(())
}

fn compile(clang: &str, folder: &Path, program: &str, to: &Path) -> bool {
    let compiled = Command::new(clang)
        .current_dir(folder)
        .args(["-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-fdebug-compilation-dir=.", "-c"])
        .arg(format!("{program}.bpf.c"))
        .arg("-o")
        .arg(to)
        .output();
    match compiled {
        Ok(output) if output.status.success() => strip(clang, to),
        Ok(output) => {
            println!("cargo::warning=clang refused {program}.bpf.c: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(_) => false,
    }
}

/// Takes the debug information out; BTF stays. Without `llvm-strip` the object is longer and as good.
fn strip(clang: &str, object: &Path) -> bool {
    let _ = Command::new(clang.replace("clang", "llvm-strip")).arg("-g").arg(object).status();
    object.exists()
}

fn version_of(clang: &str) -> String {
    let output = Command::new(clang).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("").to_owned()
}

//! Lets the program find libtorch at run time, and rebuilds it when embedded folders change.

use std::path::Path;

fn main() {
    assert!(
        Path::new(".charts/uplot.js").exists(),
        "the library that draws the plots is not in .charts; fetch it with: cargo xtask setup"
    );
    // torch-sys says where it found libtorch; the path goes into binaries, tests and benches,
    // so that none of them needs LD_LIBRARY_PATH.
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    if let Some(libtorch) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.to_string_lossy());
    }
    for embedded in ["migrations", "static", ".charts", "templates", "config.toml"] {
        println!("cargo:rerun-if-changed={embedded}");
    }
}

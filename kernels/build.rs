//! Compiles the C++ between this crate and libtorch's CUDA graphs.

fn main() {
    println!("cargo::rerun-if-changed=src/graph/shim.cpp");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if std::env::var_os("CARGO_FEATURE_GRAPHS").is_some() && is_linux {
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(true)
            .file("src/graph/shim.cpp")
            .compile("reverie_graphs");
    }
}

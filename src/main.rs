//! The `ffauth` program: everything is in the library, at its edge `cli`.

fn main() {
    std::process::exit(ffauth::cli::run(std::env::args_os().skip(1).collect()));
}

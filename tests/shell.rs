//! Completions that shells accept, and a manual that `man` can show.

use crate::support::run::{Home, finish};

#[test]
fn completions_are_valid_scripts() {
    let home = Home::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = home.line(&format!("completions {shell}"));
        run.expect_code(0);
        assert!(run.stdout.contains("login") && run.stdout.contains("ffauth"), "{shell}");
        if shell == "bash" {
            home.write("completions.bash", &run.stdout);
            finish(home.program("bash", ["-n", "completions.bash"])).expect_code(0);
        }
    }
    home.line("completions nosuch").expect_code(2);
}

#[test]
fn the_manual_names_every_subcommand_and_own_option() {
    let home = Home::new("");
    let run = home.line("man");
    run.expect_code(0);
    for part in [".TH", "ffauth\\-token", "\\-auth_wait", "\\-summary", "FFAUTH_CONFIG", "69"] {
        assert!(run.stdout.contains(part), "{part} is missing in\n{}", run.stdout);
    }
    let run = home.line("man token");
    run.expect_code(0);
    assert!(run.stdout.contains("min\\-valid"), "{}", run.stdout);
    let run = home.line("man nosuch");
    run.expect_code(1);
    assert!(run.stderr.contains("nosuch"), "{}", run.stderr);
}

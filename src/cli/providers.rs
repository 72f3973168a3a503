//! `ffauth providers`.

use std::io::Write;

use serde_json::json;

use crate::oauth::provider::{PRESETS, Preset};

use super::args::ListArgs;
use super::exit;

/// Prints the presets and what each still needs.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &ListArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    if args.json {
        let presets: Vec<_> = PRESETS.iter().map(as_json).collect();
        writeln!(out, "{:#}", json!({ "providers": presets }))?;
        return Ok(exit::DONE);
    }
    for (index, preset) in PRESETS.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{:<22} {}", preset.name, preset.title)?;
        writeln!(out, "  token endpoint  {}", preset.token_url)?;
        writeln!(out, "  needs           {}", needs(preset))?;
        writeln!(out, "  note            {}", preset.note)?;
    }
    writeln!(
        out,
        "\nIn the configuration file: [profile.NAME] with provider = \"…\" and these keys; every value of a preset can be overridden."
    )?;
    writeln!(
        out,
        "Any other server: token_url (or issuer), client_id, client_secret, and where it departs from the standard [profile.NAME.dialect]."
    )?;
    Ok(exit::DONE)
}

fn needs(preset: &Preset) -> String {
    let mut text = preset.needs.join(", ");
    for param in preset.params.iter().filter(|param| param.default.is_none()) {
        text = format!("{text}, provider_params.{} (such as {})", param.name, param.example);
    }
    if !preset.needs_one_of.is_empty() {
        let sets: Vec<_> = preset.needs_one_of.iter().map(|keys| keys.join(" + ")).collect();
        text = format!("{text}; and {}", sets.join(", or "));
    }
    if !preset.wants.is_empty() {
        text = format!("{text}; usually {}", preset.wants.join(", "));
    }
    text
}

fn as_json(preset: &Preset) -> serde_json::Value {
    json!({
        "name": preset.name,
        "title": preset.title,
        "token_url": preset.token_url,
        "authorize_url": preset.authorize_url,
        "device_url": preset.device_url,
        "revoke_url": preset.revoke_url,
        "credentials_url": preset.credentials_url,
        "provider_params": preset.params.iter().map(|param| (param.name, param.default)).collect::<std::collections::BTreeMap<_, _>>(),
        "grant": preset.grant,
        "client_auth": preset.client_auth.name(),
        "grant_type": preset.grant_type,
        "scope_separator": preset.scope_separator,
        "needs": preset.needs,
        "needs_one_of": preset.needs_one_of,
        "wants": preset.wants,
        "note": preset.note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::provider::preset;

    #[test]
    fn what_is_needed_is_one_sentence() {
        let text = |name: &str| needs(preset(name).expect("a preset"));
        assert_eq!(text("brightcove"), "client_id, client_secret");
        assert_eq!(text("mediaflow"), "client_id, client_secret; usually redirect_uri");
        assert_eq!(text("xvid"), "client_id, client_secret; usually scope");
        assert_eq!(
            text("entra"),
            "client_id, provider_params.tenant (such as contoso.onmicrosoft.com); usually client_secret, scope"
        );
    }
}

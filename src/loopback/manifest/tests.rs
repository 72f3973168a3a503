//! What becomes of manifests.

use std::net::SocketAddr;

use super::*;

const ASKED: &str = "https://h:8443/live/cam/index.mpd?sig=a";

/// `text` rewritten, with `@` where the way through the server begins.
fn pass(text: &str, from: &str) -> Result<Manifest, ManifestError> {
    let address = Address::new(SocketAddr::from(([127, 0, 0, 1], 81))).expect("random bytes");
    let root = address.through("http://x/").expect("an http URL");
    let root = root.strip_suffix("http/x/").expect("a secret");
    let url = |text: &str| Url::parse(text).expect("a URL");
    let mut manifest = rewrite(text.as_bytes(), &url(ASKED), &url(from), &address)?;
    manifest.text = manifest.text.replace(root, "@");
    Ok(manifest)
}

fn rewritten(text: &str) -> String {
    pass(text, ASKED).expect("a manifest").text
}

#[test]
fn what_leads_back_by_itself_stays_byte_for_byte() {
    for text in [
        "<?xml version=\"1.0\" encoding='UTF-8'?>\r\n<!-- https://h/ -->\n<MPD  type = \"static\" ><Period\t/>\n</MPD>\n",
        "\u{feff}<MPD><Period><BaseURL> v1/ </BaseURL><SegmentTemplate media='$RepresentationID$/$Number%05d$.m4s?a=1&amp;b'/></Period></MPD>",
        "<MPD><Period><AdaptationSet bitstreamSwitching=\"true\" mimeType='video/mp4' xlink:href='urn:mpeg:dash:x'/></Period></MPD>",
    ] {
        assert_eq!(rewritten(text), text);
    }
}

#[test]
fn every_other_reference_leads_through_the_server() {
    for (text, expected) in [
        ("<MPD><BaseURL>http://cdn/a/</BaseURL></MPD>", "<MPD><BaseURL>@http/cdn/a/</BaseURL></MPD>"),
        ("<MPD><baseurl x='1'>//cdn/</baseurl></MPD>", "<MPD><baseurl x='1'>@https/cdn/</baseurl></MPD>"),
        ("<MPD><P><BaseURL>\n /v/ </BaseURL></P></MPD>", "<MPD><P><BaseURL>@https/h:8443/v/</BaseURL></P></MPD>"),
        ("<MPD><BaseURL>v/</BaseURL></MPD>", "<MPD><BaseURL>@https/h:8443/live/cam/v/</BaseURL></MPD>"),
        (
            "<MPD><BaseURL>https://c/?a=1&amp;b=&#50;<!-- no --></BaseURL></MPD>",
            "<MPD><BaseURL>@https/c/?a=1&amp;b=2</BaseURL></MPD>",
        ),
        ("<MPD><BaseURL><![CDATA[https://c/&x]]></BaseURL></MPD>", "<MPD><BaseURL>@https/c/&amp;x</BaseURL></MPD>"),
        ("<m:MPD><m:Location>https://c/x.mpd</m:Location></m:MPD>", "<m:MPD><m:Location>@https/c/x.mpd</m:Location></m:MPD>"),
        (
            "<MPD><SegmentTemplate startNumber='3' media='/s/$Time$.m4s' initialization=\"HTTPS://c/i?a&amp;b\" t='/x'/></MPD>",
            "<MPD><SegmentTemplate startNumber='0' media='@https/h:8443/s/$Time$.m4s' initialization=\"@https/c/i?a&amp;b\" t='/x'/></MPD>",
        ),
        (
            "<MPD><SegmentURL media='http://c/1' index='/1'/><Initialization sourceURL='//c/i'/><Period xlink:href='http://c/p'/></MPD>",
            "<MPD><SegmentURL media='@http/c/1' index='@https/h:8443/1'/><Initialization sourceURL='@https/c/i'/><Period xlink:href='@http/c/p'/></MPD>",
        ),
    ] {
        assert_eq!(rewritten(text), expected);
    }
}

#[test]
fn live_segments_in_a_timeline_are_named_by_time() {
    let mpd = |kind: &str, attributes: &str| format!("<MPD type='{kind}'><SegmentTemplate {attributes}/></MPD>");
    for (kind, attributes, expected) in [
        ("dynamic", "media='a-$Number%05d$.m4s' startNumber='7'", "media='a-$Time$.m4s' startNumber='0'"),
        ("dynamic", "media='/a-$Number$' startNumber='7'", "media='@https/h:8443/a-$Time$' startNumber='0'"),
        ("dynamic", "media='a-$Time$' startNumber='7'", "media='a-$Time$' startNumber='0'"),
        ("dynamic", "media='a-$Number$' startNumber='7' duration='2'", "media='a-$Number$' startNumber='7' duration='2'"),
        ("static", "media='a-$Number$' startNumber='7'", "media='a-$Number$' startNumber='7'"),
    ] {
        assert_eq!(rewritten(&mpd(kind, attributes)), mpd(kind, expected));
    }
}

#[test]
fn a_manifest_that_came_from_elsewhere_says_so() {
    let from = "http://edge/x/y/m.mpd";
    let text = |text| pass(text, from).expect("a manifest").text;
    assert_eq!(text("<MPD a='//c/'><Period/></MPD>"), "<MPD a='//c/'><BaseURL>@http/edge/x/y/</BaseURL><Period/></MPD>");
    assert_eq!(text("<MPD><BaseURL>v/</BaseURL></MPD>"), "<MPD><BaseURL>@http/edge/x/y/v/</BaseURL></MPD>");
    assert_eq!(text("<MPD media='/z'></MPD>"), "<MPD media='@http/edge/z'><BaseURL>@http/edge/x/y/</BaseURL></MPD>");
    let same_folder = pass("<MPD></MPD>", "https://h:8443/live/cam/other.mpd").expect("a manifest");
    assert_eq!(same_folder.text, "<MPD></MPD>");
}

#[test]
fn what_libxml2_would_read_otherwise_is_refused() {
    for (text, error) in [
        ("<!DOCTYPE MPD [<!ENTITY x 'http://evil/'>]><MPD><BaseURL>&x;</BaseURL></MPD>", ManifestError::DocType),
        ("<?xml version='1.0' encoding='UTF-7'?><MPD></MPD>", ManifestError::Encoding),
        ("<html><body>Sign in</body></html>", ManifestError::Other("html".to_owned())),
    ] {
        assert_eq!(pass(text, ASKED), Err(error), "{text}");
    }
    for text in
        ["", "<MPD>", "<MPD><a></b></MPD>", "<MPD><BaseURL>&x;</BaseURL></MPD>", "<MPD media='&x;'></MPD>", "<MPD a=1></MPD>"]
    {
        assert!(matches!(pass(text, ASKED), Err(ManifestError::Malformed(_))), "{text}");
    }
    let address = Address::new(SocketAddr::from(([127, 0, 0, 1], 81))).expect("random bytes");
    let url = Url::parse(ASKED).expect("a URL");
    let utf_16: Vec<u8> = "\u{feff}<MPD/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(rewrite(&utf_16, &url, &url, &address), Err(ManifestError::Encoding));
}

#[test]
fn what_the_server_needs_to_know_is_read() {
    let live =
        pass("<MPD type='dynamic' minimumUpdatePeriod='PT1M2.5S'><SegmentTimeline><S d='1'/></SegmentTimeline></MPD>", ASKED);
    let live = live.expect("a manifest");
    assert!(live.live && live.listed);
    assert_eq!(live.update, Some(Duration::from_millis(62_500)));
    let recorded = pass("<MPD type='static'><SegmentTemplate duration='2'/></MPD>", ASKED).expect("a manifest");
    assert!(!recorded.live && !recorded.listed);
    assert_eq!(duration("PT0S"), Some(Duration::ZERO));
    for text in ["", "P1D", "PT", "PTS", "PT1", "PT1X", "PT-1S"] {
        assert_eq!(duration(text).filter(|found| !found.is_zero()), None, "{text}");
    }
}

//! What becomes of playlists and manifests.

use super::*;
use crate::secret::Secret;

const ASKED: &str = "http://127.0.0.1:81/S/m/p/live/index";
const FROM: &str = "https://h/v1/live/index";

/// `text` from `from` rewritten; `@` stands for the way to what is below `base_url`, and tickets are checked and left out.
fn pass(format: Format, text: &str, from: &str) -> Result<String, ManifestError> {
    let url = |text: &str| Url::parse(text).expect(text);
    let ways = Ways::new(&Secret::new("S"), "p", &url("https://h/v1/")).expect("random numbers");
    let now = SystemTime::UNIX_EPOCH;
    let clean = |mut url: Url| {
        if url.query() == Some("t=CANARY") {
            url.set_query(None);
        }
        url
    };
    let page = Page { asked: &url(ASKED), from: &url(from), ways: &ways, clean: &clean, now };
    let rewritten = rewrite(format, text.as_bytes(), &page)?.replace("http://127.0.0.1:81/S/m/p/", "@");
    let mut shown = String::new();
    for (number, part) in rewritten.split("@.via/").enumerate() {
        let part = if number == 0 { part } else { part.split_once('/').expect("a ticket").1 };
        shown.push_str(if number == 0 { "" } else { "@.via/" });
        shown.push_str(part);
    }
    Ok(shown)
}

fn hls(text: &str) -> String {
    pass(Format::Hls, text, FROM).expect("a playlist")
}

fn dash(text: &str) -> String {
    pass(Format::Dash, text, FROM).expect("a manifest")
}

#[test]
fn what_leads_back_by_itself_stays_byte_for_byte() {
    for text in [
        "#EXTM3U\r\n#EXTINF:2,\r\nseg1.ts?a=%2f\r\n\r\n# a comment: https://h/\n../other/seg.ts\n#EXT-X-ENDLIST",
        "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://key\",KEYFORMAT=\"com.apple\"\n#EXT-X-MAP:URI=\"data:,x\",BYTERANGE=\"5@0\"\n",
        "#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"cdn\"\nhttps://{$cdn}/seg.ts\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,URI=https://h/\nx",
    ] {
        assert_eq!(hls(text), text);
    }
    for text in [
        "<?xml version=\"1.0\"?>\r\n<!-- https://h/ -->\n<MPD type='static' ><BaseURL> v/ </BaseURL><Period\t/>\n</MPD>\n",
        "<MPD><Period><SegmentTemplate media='$RepresentationID$/$Number%05d$.m4s?a=1&amp;b' startNumber='3'/></Period></MPD>",
        "<MPD><Period xlink:href='urn:mpeg:dash:resolve-to-zero:2013'/></MPD>",
    ] {
        assert_eq!(dash(text), text);
    }
}

#[test]
fn every_reference_of_a_playlist_leads_through_the_relay() {
    for (line, expected) in [
        ("https://cdn/a.ts?x=1", "@.via/https/cdn/a.ts?x=1"),
        ("//cdn:8443/a.ts", "@.via/https/cdn:8443/a.ts"),
        ("/v1/b/a.ts", "@b/a.ts"),
        ("https://h/v1/b/a.ts", "@b/a.ts"),
        ("/v2/a.ts", "@.via/https/h/v2/a.ts"),
        ("../../v2/a.ts", "@.via/https/h/v2/a.ts"),
        ("http://h/v1/a.ts", "@.via/http/h/v1/a.ts"),
        ("  https://h/v1/a.ts  ", "@a.ts"),
        ("seg.ts?t=CANARY", "@live/seg.ts"),
        ("https://cdn/seg.ts?t=CANARY", "@.via/https/cdn/seg.ts"),
        (
            "#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys/k?a,b=\",IV=0x1",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"@.via/https/keys/k?a,b=\",IV=0x1",
        ),
        ("#EXT-X-MAP:URI=\"/v1/init.mp4\",BYTERANGE=\"5@0\"", "#EXT-X-MAP:URI=\"@init.mp4\",BYTERANGE=\"5@0\""),
        (
            "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"URI=x\",URI=\"//c/a\"",
            "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"URI=x\",URI=\"@.via/https/c/a\"",
        ),
        ("#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"//c/k\"", "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"@.via/https/c/k\""),
        ("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"//c/i\"", "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"@.via/https/c/i\""),
        ("#EXT-X-PART:DURATION=0.2,URI=\"//c/p\"", "#EXT-X-PART:DURATION=0.2,URI=\"@.via/https/c/p\""),
        ("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"//c/p\"", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"@.via/https/c/p\""),
        ("#EXT-X-RENDITION-REPORT:URI=\"//c/r\",LAST-MSN=1", "#EXT-X-RENDITION-REPORT:URI=\"@.via/https/c/r\",LAST-MSN=1"),
        ("#EXT-X-CONTENT-STEERING:SERVER-URI=\"//c/s\"", "#EXT-X-CONTENT-STEERING:SERVER-URI=\"@.via/https/c/s\""),
        ("#EXT-X-DATERANGE:ID=\"a\",X-ASSET-LIST=\"//c/l\"", "#EXT-X-DATERANGE:ID=\"a\",X-ASSET-LIST=\"@.via/https/c/l\""),
        ("#EXT-X-KEY:URI=\"//c/k", "#EXT-X-KEY:URI=\"@.via/https/c/k"),
    ] {
        assert_eq!(hls(&format!("#EXTM3U\n{line}\n")).trim_end_matches('\n'), format!("#EXTM3U\n{}", expected), "{line}");
    }
}

#[test]
fn variables_of_a_playlist_are_filled_in() {
    let text =
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"https://c\"\n{$cdn}/a.ts\n#EXT-X-MAP:URI=\"{$cdn}/i\"\n{$none}/a\n{$cdn\n";
    let expected = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"https://c\"\n@.via/https/c/a.ts\n#EXT-X-MAP:URI=\"@.via/https/c/i\"\n{$none}/a\n{$cdn\n";
    assert_eq!(hls(text), expected);
}

#[test]
fn a_playlist_from_elsewhere_leads_where_it_came_from() {
    let text = "#EXTM3U\nseg.ts\n/abs.ts\nhttps://h/v1/x.ts\n";
    let moved = pass(Format::Hls, text, "https://edge/x/y/index").expect("a playlist");
    assert_eq!(moved, "#EXTM3U\n@.via/https/edge/x/y/seg.ts\n@.via/https/edge/abs.ts\n@x.ts\n");
}

#[test]
fn every_reference_of_a_manifest_leads_through_the_relay() {
    for (text, expected) in [
        ("<MPD><BaseURL>http://c/a/</BaseURL></MPD>", "<MPD><BaseURL>@.via/http/c/a/</BaseURL></MPD>"),
        ("<MPD><BaseURL>https://h/v1/x/</BaseURL></MPD>", "<MPD><BaseURL>@x/</BaseURL></MPD>"),
        (
            "<MPD><BaseURL>https://c/?a=1&amp;b=&#50;<!-- no --></BaseURL></MPD>",
            "<MPD><BaseURL>@.via/https/c/?a=1&amp;b=2</BaseURL></MPD>",
        ),
        (
            "<m:MPD><m:Location>https://c/x.mpd</m:Location></m:MPD>",
            "<m:MPD><m:Location>@.via/https/c/x.mpd</m:Location></m:MPD>",
        ),
        (
            "<MPD><SegmentTemplate media='/s/$Time$.m4s' initialization=\"HTTPS://c/i?a&amp;b\" t='/x'/></MPD>",
            "<MPD><SegmentTemplate media='@.via/https/h/s/$Time$.m4s' initialization=\"@.via/https/c/i?a&amp;b\" t='/x'/></MPD>",
        ),
        (
            "<MPD><SegmentURL media='http://c/1' index='/v1/1'/><Initialization sourceURL='//c/i'/><Period xlink:href='http://c/p'/></MPD>",
            "<MPD><SegmentURL media='@.via/http/c/1' index='@1'/><Initialization sourceURL='@.via/https/c/i'/><Period xlink:href='@.via/http/c/p'/></MPD>",
        ),
        (
            "<MPD><UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='https://time/now'/></MPD>",
            "<MPD><UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='@.via/https/time/now'/></MPD>",
        ),
    ] {
        assert_eq!(dash(text), expected);
    }
}

/// Relative references start from the `BaseURL` of their level, which starts from that of the level around it.
#[test]
fn references_start_from_the_base_of_their_level() {
    let text = "<MPD><BaseURL>https://c/a/b/</BaseURL><BaseURL>https://d/</BaseURL><Period><BaseURL>x/</BaseURL>\
        <AdaptationSet><SegmentTemplate media='$Number$.m4s' initialization='../../../i'/></AdaptationSet>\
        <AdaptationSet><Representation><BaseURL>/v/</BaseURL><SegmentList><SegmentURL media='1'/><SegmentURL media='../1'/></SegmentList>\
        </Representation></AdaptationSet></Period><Period><SegmentTemplate media='/s/$Number$' index='x/$Number$'/></Period></MPD>";
    let expected = "<MPD><BaseURL>@.via/https/c/a/b/</BaseURL><BaseURL>@.via/https/d/</BaseURL><Period><BaseURL>x/</BaseURL>\
        <AdaptationSet><SegmentTemplate media='$Number$.m4s' initialization='@.via/https/c/i'/></AdaptationSet>\
        <AdaptationSet><Representation><BaseURL>@.via/https/c/v/</BaseURL><SegmentList><SegmentURL media='1'/><SegmentURL media='@.via/https/c/1'/></SegmentList>\
        </Representation></AdaptationSet></Period><Period><SegmentTemplate media='@.via/https/c/s/$Number$' index='x/$Number$'/></Period></MPD>";
    assert_eq!(dash(text), expected);
}

#[test]
fn a_manifest_from_elsewhere_leads_where_it_came_from() {
    let text = "<MPD><Period><BaseURL>v/</BaseURL><SegmentTemplate media='$Number$'/></Period><Period><SegmentTemplate media='w/$Number$'/></Period></MPD>";
    let expected = "<MPD><Period><BaseURL>@.via/https/edge/x/v/</BaseURL><SegmentTemplate media='$Number$'/></Period>\
        <Period><SegmentTemplate media='@.via/https/edge/x/w/$Number$'/></Period></MPD>";
    assert_eq!(pass(Format::Dash, text, "https://edge/x/m.mpd").expect("a manifest"), expected);
}

#[test]
fn what_a_player_might_read_otherwise_is_refused() {
    let doctype = "<!DOCTYPE MPD [<!ENTITY x 'http://evil/'>]><MPD><BaseURL>&x;</BaseURL></MPD>";
    assert_eq!(pass(Format::Dash, doctype, FROM), Err(ManifestError::DocType));
    assert_eq!(pass(Format::Dash, "<html></html>", FROM), Err(ManifestError::Other("html".to_owned())));
    let ways = Ways::new(&Secret::new("S"), "p", &Url::parse("https://h/").expect("a URL")).expect("random numbers");
    let (asked, from) = (Url::parse(ASKED).expect("a URL"), Url::parse(FROM).expect("a URL"));
    let page = Page { asked: &asked, from: &from, ways: &ways, clean: &|url| url, now: SystemTime::UNIX_EPOCH };
    assert_eq!(rewrite(Format::Hls, b"#EXTM3U\n\xff\n", &page), Err(ManifestError::Encoding));
}

//! Texts of strangers on every page: they are shown, and that is all they do.

use super::{
    every::every_page,
    html::{Tag, tags},
    sample::Sample,
};
use crate::web::pages::logline::{Rows, render_rows};

const PAYLOADS: [&str; 50] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert&#40;1&#41;</script>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=alert(1) x=\"",
    "` onmouseover=alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "<iframe src=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=//evil.example/x.swf>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<style>@import '//evil.example/x.css'</style>",
    "\" style=\"background:url(//evil.example)",
    "<form action=//evil.example><input name=csrf>",
    "<button formaction=javascript:alert(1)>x",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</pre></main><script>alert(1)</script>",
    "<!--<script>alert(1)</script>-->",
    "--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&quot; onclick=&quot;alert(1)",
    "\u{202e}<script>alert(1)</script>",
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "<\u{200b}script>alert(1)",
    "\u{ff1c}script\u{ff1e}alert(1)\u{ff1c}/script\u{ff1e}",
    "\x1b[31m<script>alert(1)</script>\x1b[0m",
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
    "\x1b]0;<script>alert(1)</script>\x07",
    "{{constructor.constructor('alert(1)')()}}",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "%3Cscript%3Ealert(1)%3C/script%3E",
];

const ELEMENTS: &str = " a article aside b body br button caption circle code dd details dialog div dl dt \
fieldset footer form h1 h2 h3 head header html input kbd label legend li link main mark meta nav ol optgroup \
option p path pre progress rect script section select small span strong summary svg table tbody td \
textarea th thead time title tr ul use ";

fn assert_harmless(page: &str, all: &[Tag]) {
    for tag in all {
        assert!(ELEMENTS.contains(&format!(" {} ", tag.name)), "{page}: <{}>", tag.name);
        for (name, value) in &tag.attributes {
            assert!(!name.starts_with("on"), "{page}: {tag:?}");
            assert!(name != "style" && name != "formaction" && name != "srcdoc", "{page}: {tag:?}");
            if matches!(name.as_str(), "href" | "src" | "action") {
                let own = value.starts_with('#')
                    || (value.starts_with('/')
                        && !value.starts_with("//")
                        && !value.contains('\\'));
                assert!(own, "{page}: {tag:?}");
            }
        }
    }
    let scripts: Vec<_> = all.iter().filter(|t| t.name == "script").collect();
    assert!(scripts.iter().all(|t| t.get("src").is_some_and(|s| s.starts_with("/ui/"))), "{page}");
    assert!(scripts.len() <= 2, "{page}");
}

#[test]
fn a_payload_in_every_text_of_every_page_stays_text() {
    for payload in PAYLOADS {
        for (page, html) in every_page(&Sample { hostile: Some(payload), ..Sample::default() }) {
            assert_harmless(page, &tags(&html.into_string()));
        }
    }
}

#[test]
fn a_payload_in_a_log_stays_text() {
    for payload in PAYLOADS {
        for line in [payload.to_owned(), format!("\x1b[1;41m{payload}"), format!("a\r{payload}\r")]
        {
            for tag in tags(&render_rows(line.as_bytes(), Rows::default())) {
                assert!(matches!(tag.name.as_str(), "span" | "a"), "{tag:?}");
                assert!(
                    tag.attributes
                        .iter()
                        .all(|(n, _)| matches!(n.as_str(), "id" | "class" | "href"))
                );
            }
        }
    }
}

#[test]
fn a_secret_option_is_never_shown() {
    for (page, html) in every_page(&Sample::default()) {
        assert!(!html.into_string().contains("hidden-secret"), "{page}");
    }
}

//! XML Patch on plain documents: RFC 5261 by table, and what is refused.

use super::{apply, read};
use crate::fhir::xml::Element;
use crate::suites::Dice;

fn patched(before: &str, patch: &str) -> Result<String, String> {
    let says = |error: crate::error::Error| error.to_string();
    let mut document = Element::parse(before.as_bytes()).map_err(says)?;
    apply(&mut document, &read(patch.as_bytes()).map_err(says)?).map_err(says)?;
    Ok(document.to_text())
}

#[test]
fn operations_do_what_rfc_5261_says() {
    const BEFORE: &str =
        "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>";
    for (operation, after) in [
        (
            "<add sel='d'><n/></add>",
            "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e><n/></d>",
        ),
        (
            "<add sel='/d' pos='prepend'>s</add>",
            "<d a=\"1\">st<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<add sel='d/b[2]' pos='before'><n/></add>",
            "<d a=\"1\">t<b x=\"1\">one</b> <n/><b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<add sel='d/b[2]' pos='after'>s</add>",
            "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/>s<!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<add sel='d/e' type='@y'>&lt;</add>",
            "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e y=\"&lt;\"><f v=\"o\"/></e></d>",
        ),
        (
            "<replace sel='d/@a'>2</replace>",
            "<d a=\"2\">t<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<replace sel='d/text()[1]'/>",
            "<d a=\"1\"><b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<replace sel=\"d/*[f/@v='o']\"><n/></replace>",
            "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><n/></d>",
        ),
        ("<replace sel='d'> <n/> </replace>", "<n/>"),
        (
            "<remove sel='d/b[.=\"one\"]'/>",
            "<d a=\"1\">t <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<remove sel=\"d/b[@x='2']\" ws='before'/>",
            "<d a=\"1\">t<b x=\"1\">one</b><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<remove sel='d/comment()'/>",
            "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/><e><f v=\"o\"/></e></d>",
        ),
        (
            "<remove sel='d/b[1]/text()'/>",
            "<d a=\"1\">t<b x=\"1\"/> <b x=\"2\"/><!-- c --><e><f v=\"o\"/></e></d>",
        ),
        (
            "<remove sel='d/e/f/@v'/>",
            "<d a=\"1\">t<b x=\"1\">one</b> <b x=\"2\"/><!-- c --><e><f/></e></d>",
        ),
    ] {
        let patch = format!("<diff xmlns='urn:d'>{operation}</diff>");
        let before = BEFORE.replace("<d ", "<d xmlns=\"urn:d\" ");
        let after = match after {
            "<n/>" => "<n xmlns=\"urn:d\"/>".to_owned(),
            after => after.replace("<d ", "<d xmlns=\"urn:d\" "),
        };
        assert_eq!(
            patched(&before, &patch).as_deref(),
            Ok(after.as_str()),
            "{operation}"
        );
    }
}

/// Prefixes are declared by the patch, and two need not be.
#[test]
fn selectors_know_namespaces() {
    let before = "<Patient xmlns=\"http://hl7.org/fhir\"><text><div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a</p></div></text></Patient>";
    for patch in [
        "<diff><remove sel='f:Patient/f:text/h:div/h:p'/></diff>",
        "<diff><remove sel='Patient/text/h:div/h:p'/></diff>",
        "<diff xmlns:x='http://hl7.org/fhir' xmlns:y='http://www.w3.org/1999/xhtml'><remove sel='x:Patient/x:text/y:div/y:p'/></diff>",
        "<p:patch xmlns:p='urn:p'><p:remove sel='/Patient/*/*/*'/></p:patch>",
    ] {
        let after = patched(before, patch).expect(patch);
        assert!(after.contains("xhtml\"/></text>"), "{after}");
    }
    let error = patched(before, "<diff><remove sel='Patient/text/div'/></diff>");
    assert!(
        error
            .expect_err("another namespace")
            .contains("found nothing")
    );
}

#[test]
fn what_cannot_be_done_is_told_with_its_operation() {
    const BEFORE: &str =
        "<Patient xmlns=\"http://hl7.org/fhir\"><name/><name/><a b=\"1\">t</a></Patient>";
    let many = "<remove sel='Patient/a'/>".repeat(1001);
    for (operations, says) in [
        ("", "found none"),
        ("text", "found text"),
        (
            "<fly sel='Patient'/>",
            "operation 0, counted from 0: expected <add>",
        ),
        ("<add/>", "attribute `sel`"),
        ("<remove sel=''/>", "expected a name"),
        ("<remove sel='//name'/>", "expected a name"),
        ("<remove sel='Patient/name['/>", "not closed"),
        ("<remove sel='Patient/name[x]'/>", "an index"),
        ("<remove sel='Patient/name[last()]'/>", "an index"),
        ("<remove sel='Patient/name[@id=x]'/>", "a quoted value"),
        (
            "<remove sel='p:Patient'/>",
            "the prefix \"p\" is not declared",
        ),
        ("<remove sel='id(\"x\")'/>", "not supported"),
        ("<remove sel='Patient/@b/a'/>", "expected a name"),
        ("<add sel='Patient' pos='over'/>", "`pos`"),
        ("<add sel='Patient' type='x'/>", "`type`"),
        ("<add sel='Patient' type='@x'><a/></add>", "an element"),
        ("<remove sel='Patient' ws='all'/>", "`ws`"),
        (
            "<remove sel='Patient/name'/>",
            "expected one place but found 2 places at \"Patient/name\"",
        ),
        ("<remove sel='Patient/name[3]'/>", "found nothing"),
        ("<remove sel='Patient/name[0]'/>", "found nothing"),
        ("<remove sel='Group'/>", "found nothing"),
        ("<remove sel='Patient'/>", "cannot be removed"),
        (
            "<add sel='Patient' pos='after'><a/></add>",
            "inside of the resource",
        ),
        (
            "<add sel='Patient/a' type='@b'>2</add>",
            "no attribute of that name",
        ),
        ("<add sel='Patient/a/@b'><x/></add>", "expected an element"),
        ("<replace sel='Patient/a'>x</replace>", "the same kind"),
        (
            "<replace sel='Patient/a'><x/><y/></replace>",
            "the same kind",
        ),
        (
            "<replace sel='Patient/a/@b'><x/></replace>",
            "text as the value",
        ),
        ("<remove sel='Patient/a' ws='before'/>", "expected spaces"),
        (
            "<remove sel='Patient/a'/><remove sel='Patient/a'/>",
            "operation 1",
        ),
        (&many, "at most 1000 operations"),
        ("<!DOCTYPE x>", "document type"),
        ("<remove", ""),
    ] {
        let patch = format!("<diff>{operations}</diff>");
        let error = patched(BEFORE, &patch).expect_err(operations);
        assert!(error.contains(says), "{operations}: {error}");
    }
}

/// Neither a wide document nor many operations take long: the work is counted.
#[test]
fn work_is_limited() {
    let before = format!(
        "<Patient xmlns=\"http://hl7.org/fhir\">{}</Patient>",
        "<name/>".repeat(50_000)
    );
    let patch = format!(
        "<diff>{}</diff>",
        "<add sel='Patient/name[1]' pos='before'><name/></add>".repeat(900)
    );
    let error = patched(&before, &patch).expect_err("too costly");
    assert!(error.contains("visits more than"), "{error}");
}

/// Whatever a patch is, it is refused or carried out.
#[test]
fn broken_patches_do_not_panic() {
    const BEFORE: &str =
        "<Patient xmlns=\"http://hl7.org/fhir\"><name id='é'>t<a/>u</name><name/></Patient>";
    const PATCH: &str = "<diff><add sel=\"Patient/name[@id='é'][1]/a\" pos='before'>é<b/></add>\
        <remove sel='Patient/*[a=\"\"]/text()[2]'/><replace sel='Patient/name[2]'><c/></replace></diff>";
    const PIECES: [&str; 14] = [
        "[",
        "]",
        "'",
        "/",
        "@",
        "=",
        ":",
        "é",
        "*",
        "text()",
        "[0]",
        "\"",
        ".",
        "99999999999999999999",
    ];
    for seed in 0..5_000 {
        let mut dice = Dice(seed);
        let mut patch = PATCH.to_owned();
        for _ in 0..1 + dice.below(3) {
            let places: Vec<usize> = patch.char_indices().map(|(at, _)| at).collect();
            let at = places[dice.below(places.len())];
            match dice.below(3) {
                0 => {
                    patch.remove(at);
                }
                _ => patch.insert_str(at, PIECES[dice.below(PIECES.len())]),
            }
        }
        if let Ok(after) = patched(BEFORE, &patch) {
            Element::parse(after.as_bytes()).expect(&after);
        }
    }
}

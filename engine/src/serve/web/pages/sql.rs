//! SQL with its words in colours, line by line.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use crate::shell::{KEYWORDS, Kind, pieces};

/// The text, with a number and an anchor for every line; lines with something wrong are marked and say what.
pub(super) fn numbered(text: &str, wrong: &BTreeMap<usize, &str>) -> Markup {
    html! {
        pre.sql tabindex="0" aria-label="SQL" { code {
            @for (at, line) in lines(text).iter().enumerate() {
                @let number = at + 1;
                span.l.wrong[wrong.contains_key(&number)] id={ "L" (number) } title=[wrong.get(&number)] {
                    a.n href={ "#L" (number) } aria-hidden="true" tabindex="-1" { (number) }
                    span.c { (line) }
                } "\n"
            }
        } }
    }
}

/// A part of a text from line `first` on, with the line that is wrong marked.
pub(super) fn excerpt(text: &str, first: usize, wrong: usize) -> Markup {
    html! {
        pre.sql tabindex="0" aria-label="SQL" { code {
            @for (number, line) in (first..).zip(lines(text)) {
                span.l.wrong[number == wrong] id={ "E" (number) } { span.n aria-hidden="true" { (number) } span.c { (line) } } "\n"
            }
        } }
    }
}

/// The lines, each with its own marks: a comment over several lines begins anew in each.
fn lines(text: &str) -> Vec<Markup> {
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let part = &text[piece.span.clone()];
        let class = class(piece.kind, part);
        for (at, line) in part.split('\n').enumerate() {
            if at > 0 {
                lines.push(String::new());
            }
            let marked = match class {
                Some(class) if !line.is_empty() => html! { span class=(class) { (line) } },
                _ => html! { (line) },
            };
            if let Some(last) = lines.last_mut() {
                last.push_str(&marked.into_string());
            }
        }
    }
    if lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.into_iter().map(PreEscaped).collect()
}

fn class(kind: Kind, part: &str) -> Option<&'static str> {
    match kind {
        Kind::Comment => Some("cm"),
        Kind::Text => Some("st"),
        Kind::Number => Some("nu"),
        Kind::QuotedName => Some("qn"),
        Kind::Word if is_keyword(part) => Some("kw"),
        _ => None,
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_and_nothing_of_the_text_is_markup() {
        let text = "/* <b>\n */ SELECT '<script>' FROM t\n";
        let shown: Vec<String> = lines(text).into_iter().map(PreEscaped::into_string).collect();
        assert_eq!(
            shown,
            [
                "<span class=\"cm\">/* &lt;b&gt;</span>",
                "<span class=\"cm\"> */</span> <span class=\"kw\">SELECT</span> <span class=\"st\">'&lt;script&gt;'</span> \
                 <span class=\"kw\">FROM</span> t",
            ]
        );
    }

    #[test]
    fn lines_that_are_wrong_are_marked() {
        let page = numbered("a\nb", &BTreeMap::from([(2, "no \"b\"")])).into_string();
        assert!(page.contains("class=\"l wrong\" id=\"L2\" title=\"no &quot;b&quot;\""), "{page}");
        assert!(page.contains("class=\"l\" id=\"L1\""), "{page}");
    }
}

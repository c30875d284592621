//! Colours of SQL while it is typed.

use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};

use super::keywords::KEYWORDS;
use crate::shell::lexer::{Kind, pieces};

/// Keywords, texts, numbers and comments, each in its colour; what is not closed is red.
pub(super) struct Colours;

impl Highlighter for Colours {
    fn highlight(&self, text: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        if text.trim_start().starts_with('\\') {
            styled.push((Style::new().fg(Color::Magenta), text.to_owned()));
            return styled;
        }
        for piece in pieces(text) {
            let part = &text[piece.span.clone()];
            let style = match piece.kind {
                _ if !piece.closed => Style::new().fg(Color::Red),
                Kind::Word if is_keyword(part) => Style::new().fg(Color::Blue).bold(),
                Kind::Text => Style::new().fg(Color::Green),
                Kind::Number => Style::new().fg(Color::Yellow),
                Kind::Comment => Style::new().dimmed(),
                _ => Style::new(),
            };
            styled.push((style, part.to_owned()));
        }
        styled
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

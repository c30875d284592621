//! JSON, read value by value from a buffer that may end in the middle of one.
//!
//! Strict JSON is RFC 8259. Lenient JSON adds what programs print that were not asked for JSON, Python's `repr` above all:
//! single quotes, `None`, `True`, `False`, `NaN`, `Infinity`, trailing commas, `\'` and `\x41` in strings, `u''` and `b''`, tuples, and
//! names that are numbers.

use std::borrow::Cow;

/// Deepest nesting that is read; deeper documents are faults, so that no input can use up the stack.
pub const MOST_DEPTH: usize = 128;

/// Why a value could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The buffer ends within the value.
    Incomplete,
    /// What stands at `at` cannot stand there.
    Syntax {
        /// Bytes from the start of the buffer.
        at: usize,
        /// What was expected.
        expected: &'static str,
    },
}

/// What a value begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    List,
    /// A quote.
    Text,
    /// A digit or a sign.
    Number,
    /// A word: `true`, `null`, `None`.
    Word,
}

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `null`, `None`.
    Null,
    /// `true`, `True`.
    True,
    /// `false`, `False`.
    False,
    /// `NaN`, `nan`.
    Nan,
    /// `Infinity`, `inf`.
    Infinity,
}

/// A place in a buffer.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    bytes: &'a [u8],
    /// The next byte.
    pub at: usize,
    lenient: bool,
}

type Result<T> = std::result::Result<T, Fault>;

impl<'a> Parser<'a> {
    /// From byte `at` of `bytes`.
    pub fn new(bytes: &'a [u8], at: usize, lenient: bool) -> Self {
        Self { bytes, at, lenient }
    }

    /// Skips white space; the next byte, if there is one.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                other => return Some(*other),
            }
        }
        None
    }

    fn need(&mut self) -> Result<u8> {
        self.peek().ok_or(Fault::Incomplete)
    }

    fn fault<T>(&self, expected: &'static str) -> Result<T> {
        Err(Fault::Syntax { at: self.at, expected })
    }

    /// What the next value begins with.
    ///
    /// # Errors
    /// When no value can begin here.
    pub fn kind(&mut self) -> Result<Kind> {
        match self.need()? {
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::List),
            b'"' => Ok(Kind::Text),
            b'\'' if self.lenient => Ok(Kind::Text),
            b'(' if self.lenient => Ok(Kind::List),
            _ if self.is_prefix() => Ok(Kind::Text),
            b'-' if self.lenient && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_alphabetic) => Ok(Kind::Word),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            b'+' | b'.' if self.lenient => Ok(Kind::Number),
            b'a'..=b'z' | b'A'..=b'Z' => Ok(Kind::Word),
            _ => self.fault("a value"),
        }
    }

    /// Whether a string follows as Python 2 prints text, or Python 3 bytes.
    fn is_prefix(&self) -> bool {
        let two = self.bytes.get(self.at..self.at + 2);
        self.lenient && two.is_some_and(|two| matches!(two[0], b'u' | b'b') && matches!(two[1], b'\'' | b'"'))
    }

    /// The bytes from `start` to here.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// Passes an opening brace or bracket. Says whether it is closed at once; that is passed too.
    ///
    /// # Errors
    /// [`Fault::Incomplete`].
    pub fn open(&mut self, close: u8) -> Result<bool> {
        self.at += 1;
        let is_empty = self.need()? == close;
        self.at += usize::from(is_empty);
        Ok(is_empty)
    }

    /// Passes what follows a member or an item. Says whether another one follows.
    ///
    /// # Errors
    /// When neither a comma nor `close` follows.
    pub fn another(&mut self, close: u8) -> Result<bool> {
        let next = self.need()?;
        if next == close {
            self.at += 1;
            return Ok(false);
        }
        if next != b',' {
            return self.fault(match close {
                b'}' => "',' or '}'",
                b')' => "',' or ')'",
                _ => "',' or ']'",
            });
        }
        self.at += 1;
        if self.lenient && self.need()? == close {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// A member's name and the colon behind it.
    ///
    /// # Errors
    /// When there is none.
    pub fn name(&mut self) -> Result<Cow<'a, str>> {
        match self.need()? {
            b'"' => {}
            b'\'' if self.lenient => {}
            b'u' | b'b' if self.lenient && self.at + 1 == self.bytes.len() => return Err(Fault::Incomplete),
            _ if self.is_prefix() => {}
            b'-' | b'0'..=b'9' if self.lenient => {}
            _ => return self.fault("a name in quotes"),
        }
        let is_number = matches!(self.bytes[self.at], b'-' | b'0'..=b'9');
        let name = if is_number { Cow::Borrowed(self.number(false)?) } else { self.text()? };
        if self.need()? != b':' {
            return self.fault("':'");
        }
        self.at += 1;
        Ok(name)
    }

    /// A string, from its quote on.
    ///
    /// # Errors
    /// A control character, a wrong escape, bytes that are no UTF-8.
    pub fn text(&mut self) -> Result<Cow<'a, str>> {
        self.at += usize::from(self.is_prefix());
        let quote = self.bytes[self.at];
        let start = self.at + 1;
        let mut end = start;
        loop {
            match self.bytes.get(end) {
                None => return Err(Fault::Incomplete),
                Some(byte) if *byte == quote => break,
                Some(b'\\') => return self.escaped(quote, start, end),
                Some(byte) if *byte < 0x20 && !(self.lenient && *byte == b'\t') => {
                    self.at = end;
                    return self.fault("the closing quote, or an escaped control character");
                }
                Some(_) => end += 1,
            }
        }
        match std::str::from_utf8(&self.bytes[start..end]) {
            Ok(text) => {
                self.at = end + 1;
                Ok(Cow::Borrowed(text))
            }
            Err(error) => {
                self.at = start + error.valid_up_to();
                self.fault("UTF-8")
            }
        }
    }

    /// The rest of a string that has an escape at `escape`.
    #[cold]
    fn escaped(&mut self, quote: u8, start: usize, escape: usize) -> Result<Cow<'a, str>> {
        let mut text = self.bytes[start..escape].to_vec();
        let mut at = escape;
        loop {
            let byte = *self.bytes.get(at).ok_or(Fault::Incomplete)?;
            match byte {
                b'\\' => {
                    self.at = at;
                    at = self.escape(at + 1, &mut text)?;
                }
                byte if byte == quote => break,
                byte if byte < 0x20 && !(self.lenient && byte == b'\t') => {
                    self.at = at;
                    return self.fault("the closing quote, or an escaped control character");
                }
                byte => {
                    text.push(byte);
                    at += 1;
                }
            }
        }
        match String::from_utf8(text) {
            Ok(text) => {
                self.at = at + 1;
                Ok(Cow::Owned(text))
            }
            Err(_) => {
                self.at = start;
                self.fault("UTF-8")
            }
        }
    }

    /// One escape, whose letter is at `at`; returns the byte behind it.
    fn escape(&self, at: usize, text: &mut Vec<u8>) -> Result<usize> {
        let letter = *self.bytes.get(at).ok_or(Fault::Incomplete)?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\'' if self.lenient => b'\'',
            b'0' if self.lenient => 0,
            b'u' => return self.unicode(at + 1, 4, text),
            b'x' if self.lenient => return self.unicode(at + 1, 2, text),
            b'U' if self.lenient => return self.unicode(at + 1, 8, text),
            _ => return self.fault("an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000"),
        };
        text.push(plain);
        Ok(at + 1)
    }

    /// A character by its number in `digits` hexadecimal digits, or by two such numbers that are a surrogate pair.
    fn unicode(&self, at: usize, digits: usize, text: &mut Vec<u8>) -> Result<usize> {
        let mut number = self.hexadecimal(at, digits)?;
        let mut end = at + digits;
        if digits == 4 && (0xd800..0xdc00).contains(&number) {
            match self.bytes.get(end..end + 2) {
                Some(b"\\u") => {
                    let low = self.hexadecimal(end + 2, 4)?;
                    if (0xdc00..0xe000).contains(&low) {
                        number = 0x1_0000 + ((number - 0xd800) << 10) + (low - 0xdc00);
                        end += 6;
                    }
                }
                None if self.bytes.len() < end + 2 => return Err(Fault::Incomplete),
                _ => {}
            }
        }
        // Half a surrogate pair is no character: it becomes the replacement character, as in JavaScript's encoder.
        let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(end)
    }

    fn hexadecimal(&self, at: usize, digits: usize) -> Result<u32> {
        let slice = self.bytes.get(at..at + digits).ok_or(Fault::Incomplete)?;
        let text = std::str::from_utf8(slice).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match text.and_then(|text| u32::from_str_radix(text, 16).ok()) {
            Some(number) => Ok(number),
            None => self.fault("hexadecimal digits behind \\u"),
        }
    }

    /// A number, as it is written. `last` says that nothing follows the buffer.
    ///
    /// # Errors
    /// When it is none; [`Fault::Incomplete`] when digits may follow.
    pub fn number(&mut self, last: bool) -> Result<&'a str> {
        let start = self.at;
        let mut at = start;
        let digits = |at: &mut usize| {
            let from = *at;
            while self.bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at - from
        };
        if matches!(self.bytes.get(at), Some(b'-' | b'+')) {
            at += 1;
        }
        let whole_at = at;
        let whole = digits(&mut at);
        let mut is_number = whole == 1 || (whole > 1 && (self.bytes[whole_at] != b'0' || self.lenient));
        if self.bytes.get(at) == Some(&b'.') {
            at += 1;
            let fraction = digits(&mut at);
            is_number = (is_number && (fraction > 0 || self.lenient)) || (self.lenient && fraction > 0);
        }
        if is_number && matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            if matches!(self.bytes.get(at), Some(b'-' | b'+')) {
                at += 1;
            }
            is_number = digits(&mut at) > 0;
        }
        if at == self.bytes.len() && !last {
            return Err(Fault::Incomplete);
        }
        let follows = self.bytes.get(at);
        if !is_number || follows.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.') {
            return self.fault("a number");
        }
        self.at = at;
        std::str::from_utf8(&self.bytes[start..at]).map_err(|_| Fault::Syntax { at: start, expected: "a number" })
    }

    /// A word. `last` says that nothing follows the buffer.
    ///
    /// # Errors
    /// When it is none that is known; [`Fault::Incomplete`] when letters may follow.
    pub fn word(&mut self, last: bool) -> Result<Word> {
        let start = self.at;
        let mut end = start + usize::from(self.bytes.get(start) == Some(&b'-'));
        while self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
            end += 1;
        }
        if end == self.bytes.len() && !last {
            return Err(Fault::Incomplete);
        }
        let word = match &self.bytes[start..end] {
            b"null" => Word::Null,
            b"true" => Word::True,
            b"false" => Word::False,
            b"None" | b"undefined" if self.lenient => Word::Null,
            b"True" if self.lenient => Word::True,
            b"False" if self.lenient => Word::False,
            b"NaN" | b"nan" if self.lenient => Word::Nan,
            b"Infinity" | b"inf" | b"-Infinity" | b"-inf" if self.lenient => Word::Infinity,
            _ => {
                return self.fault(if self.lenient {
                    "a value"
                } else {
                    "a value: null, true, false, a number, a string in \"\""
                });
            }
        };
        self.at = end;
        Ok(word)
    }

    /// Passes one value whatever it is.
    ///
    /// # Errors
    /// When it is none.
    pub fn skip(&mut self, last: bool, depth: usize) -> Result<()> {
        match self.kind()? {
            Kind::Text => self.text().map(drop),
            Kind::Number => self.number(last).map(drop),
            Kind::Word => self.word(last).map(drop),
            Kind::Object => self.members(depth, |parser, _| parser.skip(last, depth + 1)),
            Kind::List => self.items(depth, |parser| parser.skip(last, depth + 1)),
        }
    }

    /// Passes an object; `member` is called behind each name and passes the value.
    ///
    /// # Errors
    /// When it is none, or too deep.
    pub fn members(&mut self, depth: usize, mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>) -> Result<()> {
        self.check_depth(depth)?;
        if self.open(b'}')? {
            return Ok(());
        }
        loop {
            let name = self.name()?;
            member(self, name)?;
            if !self.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// Passes a list; `item` passes each of its items.
    ///
    /// # Errors
    /// When it is none, or too deep.
    pub fn items(&mut self, depth: usize, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.check_depth(depth)?;
        let close = if self.bytes.get(self.at) == Some(&b'(') { b')' } else { b']' };
        if self.open(close)? {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.another(close)? {
                return Ok(());
            }
        }
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth >= MOST_DEPTH { self.fault("no more than 128 levels of nesting") } else { Ok(()) }
    }
}

//! The invented text of the replay's posts: pure functions of a number.

/// A stream of numbers from a seed (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>): the same on every machine.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Of a seed and what it is for.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or_default();
        from.get(index).copied().unwrap_or_default()
    }
}

const OPENINGS: [&str; 12] = [
    "How do you handle",
    "What I learned from",
    "Is it worth moving to",
    "Show: a small tool for",
    "Struggling with",
    "Weekly thread:",
    "Am I wrong about",
    "Finally fixed",
    "Unpopular opinion on",
    "Help needed:",
    "Benchmarks of",
    "A beginner's guide to",
];
const TOPICS: [&str; 16] = [
    "late-arriving rows",
    "schema drift in nested JSON",
    "exactly-once delivery",
    "columnar files & row groups",
    "slowly changing dimensions",
    "a 4 TB backfill",
    "orchestrators that wake you at 3 am",
    "feature stores",
    "borrowed iterators",
    "async traits <dyn and otherwise>",
    "model cards nobody reads",
    "partition pruning",
    "bootstrap confidence intervals",
    "zero-copy parsing",
    "the \"modern\" stack",
    "window functions",
];
const ENDINGS: [&str; 12] = [
    "",
    " in production",
    " with a team of two",
    " without losing data",
    " (long post)",
    " 🚀",
    " – a retrospective",
    " when the budget is < $100",
    ", six months later",
    "? 🤔",
    " [solved]",
    " – café edition ☕",
];
const SENTENCES: [&str; 16] = [
    "We ingest about 40 million rows a day & most of them arrive twice. ",
    "The job ran fine for weeks, then the upstream team renamed a column. ",
    "I tried the obvious thing first: a bigger machine. ",
    "My manager calls it \"real time\" if it is newer than yesterday. ",
    "Here is what the plan looked like before: `SELECT * FROM events WHERE day < '2026-11-01'`. ",
    "It turned out that the clock of one host was 37 seconds ahead. ",
    "Nobody had looked at the rejected records since spring. ",
    "\n\n* compaction every hour\n* one writer per table\n* no surprises\n\n",
    "If a <b> b, the merge keeps the later one; otherwise > wins. ",
    "Any pointers to papers or talks are welcome. ",
    "The test set leaked through the join, of course. ",
    "Path was C:\\data\\raw\\2026, in case someone else hits this. ",
    "Merci d'avance – 谢谢 – спасибо 🙏. ",
    "Lifetimes stopped being scary once I drew the ownership on paper. ",
    "\tEdit: fixed the numbers, thanks to everyone who noticed. ",
    "We measured it: 3.2 s became 180 ms. ",
];
const NAMES: [&str; 16] = [
    "quiet", "lazy", "rusty", "daily", "sparse", "brave", "nested", "late", "amber", "tidy", "salty", "north", "vector", "paper",
    "tin", "mossy",
];
const NOUNS: [&str; 16] = [
    "otter", "shard", "ledger", "crab", "kernel", "badger", "tuple", "heron", "bucket", "walrus", "cursor", "lemur", "parser",
    "finch", "socket", "yak",
];

/// A title.
pub(super) fn title(dice: &mut Dice) -> String {
    format!("{} {}{}", dice.pick(&OPENINGS), dice.pick(&TOPICS), dice.pick(&ENDINGS))
}

/// Running text of about `length` bytes, cut between sentences.
pub(super) fn text(dice: &mut Dice, length: usize) -> String {
    let mut text = String::with_capacity(length + 128);
    while text.len() < length {
        text.push_str(dice.pick(&SENTENCES));
    }
    text
}

/// One of 4,096 account names.
pub(super) fn account(dice: &mut Dice) -> String {
    format!("{}_{}_{}", dice.pick(&NAMES), dice.pick(&NOUNS), dice.below(16))
}

/// Writes `text` as a JSON string.
pub(super) fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(place) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        let (plain, special) = rest.split_at(place);
        out.push_str(plain);
        match special.as_bytes().first() {
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\t') => out.push_str("\\t"),
            Some(other) => out.push_str(&format!("\\u{other:04x}")),
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}

/// `<`, `>` and `&` as Reddit's `_html` keys have them.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// In base 36, as ids are.
pub(super) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        digits.push(char::from_digit(u32::try_from(number % 36).unwrap_or_default(), 36).unwrap_or('0'));
        number /= 36;
    }
    digits.iter().rev().collect()
}

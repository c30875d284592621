//! Views and flows, planned in an order in which each finds what it reads; and of those that never do, which are at fault.

use std::ops::Range;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::Diagnostic;
use super::missing::missing_key;
use super::pipeline::{Builder, created, insert_target};

/// A view or flow that waits for the tables it reads.
pub(super) struct Waiting {
    pub(super) span: Range<usize>,
    pub(super) statement: Parsed,
    pub(super) error: Option<Diagnostic>,
}

impl Waiting {
    fn created(&self) -> Option<String> {
        match &self.statement {
            Parsed::Statement(sql) => created(sql),
            _ => None,
        }
    }

    /// What a sentence calls it.
    fn called(&self, name: &str) -> String {
        match &self.statement {
            Parsed::Statement(sql) if matches!(sql.as_ref(), SqlStatement::CreateView(_)) => format!("view '{name}'"),
            Parsed::Statement(sql) if matches!(sql.as_ref(), SqlStatement::CreateTable(_)) => format!("table '{name}'"),
            _ => format!("what is written to '{name}'"),
        }
    }
}

/// A statement that failed, what it would have made, and which of the others it may lack for that reason.
struct Failed {
    item: Waiting,
    makes: Option<String>,
    waits_for: Vec<usize>,
}

impl Builder<'_> {
    /// Plans views and flows until nothing more becomes possible; what is left is wrong.
    pub(super) async fn settle(&mut self) {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let before = waiting.len();
            for mut item in waiting {
                if let Err(error) = self.plan(&item).await {
                    item.error = Some(error);
                    self.waiting.push(item);
                }
            }
            if self.waiting.is_empty() || self.waiting.len() == before {
                break;
            }
        }
        self.pipeline.flows.sort_by_key(|flow| flow.span.start);
        let failed = std::mem::take(&mut self.waiting);
        let failed = self.linked(failed);
        self.tell(&failed);
        self.broken.extend(failed.into_iter().filter_map(|failed| failed.makes));
    }

    /// Which of `failed` lack what others of them would have made.
    fn linked(&self, failed: Vec<Waiting>) -> Vec<Failed> {
        // A declared table that a failed flow would have made is missing for that reason; not for that flow itself.
        let made = |item: &Waiting| {
            item.created().or_else(|| insert_target(&item.statement).filter(|name| self.pipeline.tables.contains_key(name)))
        };
        let makes: Vec<Option<String>> = failed.iter().map(made).collect();
        let link = |(index, item): (usize, Waiting)| {
            let missing = item.error.as_ref().and_then(missing_key);
            let makers = (0..makes.len()).filter(|other| missing.is_some() && makes[*other] == missing);
            let waits_for = makers.filter(|other| *other != index || item.created().is_some()).collect();
            Failed { makes: makes[index].clone(), waits_for, item }
        };
        failed.into_iter().enumerate().map(link).collect()
    }

    /// Reports those of `failed` that are wrong themselves. What only lacks what another of them would have made is not; of those that
    /// wait for each other in a circle, the first is.
    fn tell(&mut self, failed: &[Failed]) {
        let mut explained = vec![false; failed.len()];
        for (failed, explained) in failed.iter().zip(&mut explained) {
            let Some(error) = &failed.item.error else { continue };
            let follows = self.follows_from_broken(error);
            *explained = follows || failed.waits_for.is_empty();
            if *explained && !follows {
                self.errors.push(error.clone());
            }
        }
        loop {
            let follows = |index: &usize| !explained[*index] && failed[*index].waits_for.iter().any(|other| explained[*other]);
            if let Some(next) = (0..failed.len()).find(follows) {
                explained[next] = true;
            } else if let Some(first) = explained.iter().position(|is_explained| !is_explained) {
                let circle = circle(failed, first);
                explained[circle[0]] = true;
                self.errors.push(self.in_a_circle(failed, &circle));
            } else {
                break;
            }
        }
    }

    fn in_a_circle(&self, failed: &[Failed], circle: &[usize]) -> Diagnostic {
        let [first, others @ ..] = circle else { return Diagnostic::new("a circle of nothing", None) };
        let name = |index: &usize| failed[*index].makes.clone().unwrap_or_default();
        let called = |index: &usize| failed[*index].item.called(&name(index));
        let (begin, first_name) = (called(first), name(first));
        let others: Vec<String> = others
            .iter()
            .map(|other| format!("{} (line {})", called(other), self.pipeline.line(&failed[*other].item.span)))
            .collect();
        let message = match others.join(", which refers to ").as_str() {
            "" => format!("{begin} refers to itself: no table of that name is declared"),
            through => format!("{begin} refers to {through}, which refers to '{first_name}': there is no table to begin with"),
        };
        let at = failed[*first].item.error.as_ref().and_then(|error| error.span.clone());
        let help = match others.is_empty() {
            true => format!(
                "declare the table that is read with CREATE EXTERNAL TABLE, and give this one another name than '{first_name}'"
            ),
            false => "one of them has to read something else: declare that table with CREATE EXTERNAL TABLE".to_owned(),
        };
        Diagnostic::new(message, at.or_else(|| Some(failed[*first].item.span.clone()))).help(help)
    }
}

/// Those that wait for each other, reached from `start`; the first of the file first.
fn circle(failed: &[Failed], start: usize) -> Vec<usize> {
    let mut path = vec![start];
    let mut next = failed[start].waits_for.first().copied();
    while let Some(index) = next {
        if let Some(begin) = path.iter().position(|earlier| *earlier == index) {
            path.drain(..begin);
            break;
        }
        path.push(index);
        next = failed[index].waits_for.first().copied();
    }
    let first = path.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(position, _)| position);
    path.rotate_left(first);
    path
}

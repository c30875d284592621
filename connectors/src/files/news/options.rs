//! `OPTIONS ('notifications' ...)` and what belongs to it, checked.

use std::time::Duration;

use super::super::listing::Place;
use crate::error::{Error, Result};
use crate::options::{Options, unknown};
use crate::sqs::QueueUrl;

/// How long a local file is to be left alone before it counts as written, when the table does not say.
const QUIET: Duration = Duration::from_secs(2);
/// How long a message is hidden from others, when the table does not say.
const VISIBILITY: Duration = Duration::from_secs(60);
/// What SQS allows.
const VISIBILITIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(12 * 3_600));

/// What is to tell a table of new files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notifications {
    /// Nothing.
    None,
    /// The operating system, of a local folder.
    Folder {
        /// Ask it to. Otherwise only the time of a file's last change is looked at.
        watched: bool,
        /// How long a file is to be left alone that nobody was seen to close.
        quiet: Duration,
    },
    /// A queue.
    Queue {
        /// Which.
        url: QueueUrl,
        /// How long a message is hidden from others at once.
        visibility: Duration,
    },
}

impl Notifications {
    /// From the options of a table at `place`.
    ///
    /// # Errors
    /// [`Error::Config`] for what is unknown, or does not fit the place.
    pub(crate) fn parse(options: &Options, place: &Place) -> Result<Self> {
        let (quiet, visibility) = (options.duration("quiet")?, options.duration("visibility")?);
        let is_local = place.root.url.scheme() == "file";
        let text = options.text("notifications").unwrap_or("auto").trim();
        let found = match text.split_once(':') {
            None if text.eq_ignore_ascii_case("auto") || text.eq_ignore_ascii_case("none") => {
                let watched = text.eq_ignore_ascii_case("auto");
                if is_local { Self::Folder { watched, quiet: quiet.unwrap_or(QUIET) } } else { Self::None }
            }
            Some(("sqs", url)) => queue(url, visibility, place)?,
            _ => return Err(unknown_kind(text)),
        };
        if quiet.is_some() && !is_local {
            let message = "option 'quiet' applies to local files only: an object is there when it is whole";
            return Err(Error::config_at("quiet", message));
        }
        if visibility.is_some() && !matches!(found, Self::Queue { .. }) {
            let message = "option 'visibility' applies only with notifications 'sqs:<queue url>'";
            return Err(Error::config_at("visibility", message));
        }
        Ok(found)
    }
}

fn queue(url: &str, visibility: Option<Duration>, place: &Place) -> Result<Notifications> {
    let url = QueueUrl::parse(url.trim())
        .map_err(|error| Error::config_at("notifications", format!("option 'notifications': {error}")))?;
    if !matches!(place.root.url.scheme(), "s3" | "s3a") {
        let message =
            format!("option 'notifications' 'sqs:...' applies to tables on s3://, and this one is at '{}'", place.shown);
        return Err(Error::config_at("notifications", message));
    }
    let visibility = visibility.unwrap_or(VISIBILITY);
    if visibility < VISIBILITIES.0 || visibility > VISIBILITIES.1 {
        return Err(Error::config_at("visibility", "option 'visibility' is from '1s' to '12h', as SQS has it"));
    }
    Ok(Notifications::Queue { url, visibility })
}

fn unknown_kind(text: &str) -> Error {
    let kind = text.split(':').next().unwrap_or(text);
    // "https://sqs..." forgets the word in front.
    let message = if QueueUrl::parse(text).is_ok() {
        format!("option 'notifications' says who tells before it says where; did you mean 'sqs:{text}'?")
    } else if text.eq_ignore_ascii_case("sqs") {
        "option 'notifications' 'sqs' needs the URL of the queue behind it: 'sqs:https://sqs.<region>.amazonaws.com/<account>/<name>'"
            .to_owned()
    } else {
        unknown("value", kind, "option 'notifications'", ["auto", "none", "sqs"])
    };
    Error::config_at("notifications", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Json;
    use crate::registry::Connector;
    use crate::stores::{S3Config, Stores};

    fn parse(location: &str, given: &[(&str, &str)]) -> Result<Notifications> {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = Options::parse("JSON", Json.options(), &given)?;
        let stores = Stores::new("/tmp/lake", S3Config::default())?;
        Notifications::parse(&options, &Place::parse(&stores, location)?)
    }

    const QUEUE: &str = "sqs:https://sqs.eu-west-1.amazonaws.com/1/news";

    #[test]
    fn folders_are_watched_and_buckets_are_not_unless_the_table_says() {
        let folder = |watched, seconds| Notifications::Folder { watched, quiet: Duration::from_secs(seconds) };
        assert_eq!(parse("/data", &[]).unwrap(), folder(true, 2));
        assert_eq!(parse("/data", &[("notifications", "none"), ("quiet", "9s")]).unwrap(), folder(false, 9));
        assert_eq!(parse("s3://b/in/", &[]).unwrap(), Notifications::None);
        let queue = parse("s3://b/in/", &[("notifications", QUEUE)]).unwrap();
        let url = QueueUrl::parse(&QUEUE[4..]).unwrap();
        assert_eq!(queue, Notifications::Queue { url, visibility: VISIBILITY });
    }

    #[test]
    fn what_is_wrong_is_said_with_the_nearest_that_is_right() {
        for (location, given, subject, expected) in [
            ("s3://b/", [("notifications", "sq:https://x")], "notifications", "did you mean 'sqs'?"),
            ("s3://b/", [("notifications", "aut")], "notifications", "did you mean 'auto'?"),
            ("s3://b/", [("notifications", "sns:arn")], "notifications", "unknown value 'sns' of option 'notifications'"),
            ("s3://b/", [("notifications", &QUEUE[4..])], "notifications", "did you mean 'sqs:https://sqs.eu-west-1"),
            ("s3://b/", [("notifications", "sqs")], "notifications", "needs the URL of the queue"),
            ("s3://b/", [("notifications", "sqs:news")], "notifications", "option 'notifications': 'news' is no URL of a queue"),
            (
                "/data",
                [("notifications", QUEUE)],
                "notifications",
                "applies to tables on s3://, and this one is at 'file:///data'",
            ),
            ("s3://b/", [("quiet", "1s")], "quiet", "applies to local files only"),
            ("s3://b/", [("visibility", "1m")], "visibility", "applies only with notifications 'sqs:<queue url>'"),
        ] {
            let error = parse(location, &given).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.subject(), Some(subject));
        }
        let error = parse("s3://b/", &[("notifications", QUEUE), ("visibility", "1 day")]).unwrap_err().to_string();
        assert!(error.contains("from '1s' to '12h'"), "{error}");
    }
}

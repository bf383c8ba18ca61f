//! Why a request was not carried out, as an answer: a page with the way out, or JSON under `/api`.
//! It is a reply, never a rejection, so no looser route can answer in its place.

use super::{
    body::BodyError,
    form::FormError,
    pages::{self, Frame},
    reply::{self, Response},
};
use crate::{
    app::{AppError, Problem, SignInError},
    domain::Denied,
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};

/// Where somebody can go from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// What it is called.
    pub label: Cow<'static, str>,
    /// Path and query of this site.
    pub url: String,
}

impl WayOut {
    /// A way out.
    pub fn new(label: &'static str, url: impl Into<String>) -> Self {
        Self { label: label.into(), url: url.into() }
    }
}

/// Why a request was not carried out; read like a [`Fault`]. Boxed, because every handler carries
/// one in its result and hardly ever has one.
#[derive(Debug)]
pub struct WebError(Box<Fault>);

impl std::ops::Deref for WebError {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

impl std::ops::DerefMut for WebError {
    fn deref_mut(&mut self) -> &mut Fault {
        &mut self.0
    }
}

/// What is known of a [`WebError`].
#[derive(Debug)]
pub struct Fault {
    /// HTTP status.
    pub status: StatusCode,
    /// A few words.
    pub title: Cow<'static, str>,
    /// One sentence; safe to show.
    pub message: String,
    /// Where to go instead.
    pub way_out: Option<WayOut>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// What is wrong with what was handed in.
    pub problems: Vec<Problem>,
    /// The methods that would be taken, for 405.
    pub allow: Option<String>,
    /// Send the browser there instead of showing anything (not signed in).
    pub location: Option<String>,
}

impl WebError {
    /// An error with a status, a title and a sentence.
    pub fn new(
        status: StatusCode,
        title: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Fault {
            status,
            title: title.into(),
            message: message.into(),
            way_out: None,
            retry_after: None,
            problems: Vec::new(),
            allow: None,
            location: None,
        }))
    }

    /// With a way out.
    #[must_use]
    pub fn way_out(mut self, way_out: WayOut) -> Self {
        self.way_out = Some(way_out);
        self
    }

    /// With the time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// With what is wrong, by field.
    #[must_use]
    pub fn problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems = problems;
        self
    }

    /// Pages send the browser to `location` instead of showing the error.
    #[must_use]
    pub fn location(mut self, location: Option<String>) -> Self {
        self.location = location;
        self
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", "there is nothing at this address")
            .way_out(WayOut::new("Go to the start page", "/"))
    }

    /// 405.
    pub fn method(allow: String) -> Self {
        let message = format!("this address takes only {allow}");
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "Wrong method", message)
            .way_out(WayOut::new("Go to the start page", "/"));
        error.allow = Some(allow);
        error
    }

    /// 401, or the way to the login page when `location` is given.
    pub fn signed_out(location: Option<String>) -> Self {
        let message = if location.is_some() { "sign in first" } else { NO_TOKEN };
        Self::new(StatusCode::UNAUTHORIZED, "Not signed in", message)
            .way_out(WayOut::new("Log in", "/login"))
            .location(location)
    }

    /// 403 because a form is not one of this session's.
    pub fn forged(way_out: WayOut) -> Self {
        let message = "this form is out of date or was not sent from this site: reload it and \
                       send it again";
        Self::new(StatusCode::FORBIDDEN, "The form was not taken", message).way_out(way_out)
    }

    /// 500 for what must not happen; the reason goes to the log.
    pub fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%reason, "a request could not be answered");
        let message = "something went wrong on our side: try again, and tell an administrator \
                       the reference below if it stays";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", message)
    }

    /// The error as a whole answer: JSON for the API, a page with `frame` around it otherwise.
    pub fn into_page(self, frame: &Frame<'_>) -> Response {
        if let Some(location) = &self.location {
            return reply::see_other(location);
        }
        let way_out = self.way_out.as_ref().map(|w| (w.label.as_ref(), w.url.as_str()));
        let message = sentence(&self.message);
        let page = pages::ErrorPage {
            status: self.status.as_u16(),
            title: &self.title,
            message: &message,
            way_out,
        };
        self.dress(reply::html(self.status, pages::error(frame, &page)))
    }

    /// The error as JSON.
    pub fn into_json(self, request_id: &str) -> Response {
        let body = Envelope {
            error: Body {
                status: self.status.as_u16(),
                message: &self.message,
                problems: self.problems.iter().map(ProblemBody::from).collect(),
                reference: request_id,
            },
        };
        let response = reply::json(self.status, &body);
        let mut response = self.dress(response);
        if response.status() == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer realm=\"img\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }

    /// The error as one line of text, for scripts of a page.
    pub fn into_text(self) -> Response {
        let response = reply::text(self.status, format!("{}\n", self.message));
        self.dress(response)
    }

    /// Puts this error's headers on an answer that shows it in its own way.
    pub(super) fn dress(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|a| HeaderValue::from_str(a).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        // What was not read of the request would be taken for the next one.
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

const NO_TOKEN: &str = "send `Authorization: Bearer TOKEN` with a token that is still valid: tokens \
                        are made on the account page";

/// A message as a sentence: a capital first and a full stop last.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    status: u16,
    message: &'a str,
    problems: Vec<ProblemBody<'a>>,
    reference: &'a str,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    field: &'a str,
    message: &'a str,
    line: Option<u32>,
    hint: Option<&'a str>,
}

impl<'a> From<&'a Problem> for ProblemBody<'a> {
    fn from(problem: &'a Problem) -> Self {
        let hint = problem.hint.as_deref();
        Self { field: &problem.field, message: &problem.message, line: problem.line, hint }
    }
}

impl From<Denied> for WebError {
    fn from(denied: Denied) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not allowed", denied.to_string())
            .way_out(WayOut::new("Go to the start page", "/"))
    }
}

/// An error and everything below it, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    text
}

impl From<AppError> for WebError {
    fn from(error: AppError) -> Self {
        let message = error.to_string();
        let start = || WayOut::new("Go to the queue", "/queue");
        match error {
            AppError::Denied(denied) => denied.into(),
            AppError::NotFound(_) => {
                Self::new(StatusCode::NOT_FOUND, "Not found", message).way_out(start())
            }
            AppError::Invalid(problems) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "That does not fit", message)
                    .problems(problems)
            }
            AppError::Busy { retry_after, .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Too much for now", message)
                    .retry_after(retry_after)
            }
            AppError::TooLarge { .. } => {
                let problem = Problem::new("definition", message.clone());
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", message)
                    .problems(vec![problem])
            }
            AppError::Conflict { job, .. } => Self::new(StatusCode::CONFLICT, "Not now", message)
                .way_out(WayOut::new("Back to the job", format!("/jobs/{job}"))),
            AppError::Gone(_) => Self::new(StatusCode::GONE, "Deleted", message).way_out(start()),
            AppError::Refused(_) => {
                Self::new(StatusCode::CONFLICT, "Not now", message).way_out(start())
            }
            AppError::Internal { .. } => {
                tracing::warn!(error = chain(&error), "a request could not be carried out");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Something went wrong", message)
            }
        }
    }
}

impl From<SignInError> for WebError {
    fn from(error: SignInError) -> Self {
        let message = error.to_string();
        match error {
            SignInError::Throttled { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many tries", message)
                    .retry_after(retry_after)
            }
            SignInError::Refused | SignInError::FirstLoginOver { .. } | SignInError::NeedsCode => {
                Self::new(StatusCode::FORBIDDEN, "Not signed in", message)
            }
            SignInError::Internal(reason) => Self::internal(&reason),
        }
    }
}

impl From<BodyError> for WebError {
    fn from(error: BodyError) -> Self {
        let (status, title) = match error {
            BodyError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
            BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "Too slow"),
            BodyError::Broken => (StatusCode::BAD_REQUEST, "Not complete"),
        };
        Self::new(status, title, error.to_string())
    }
}

impl From<FormError> for WebError {
    fn from(error: FormError) -> Self {
        let message = error.to_string();
        match error {
            FormError::Body(error) => error.into(),
            FormError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", message)
            }
            FormError::Type => Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not a form", message),
            FormError::NotText { .. } | FormError::Fields(_) | FormError::Malformed => {
                Self::new(StatusCode::BAD_REQUEST, "Not a form", message)
            }
            FormError::Forged => Self::forged(WayOut::new("Go to the start page", "/")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{UserName, Verb};

    #[test]
    fn a_missing_permission_is_named() {
        let denied = Denied { user: UserName::new("ann").unwrap(), verb: Verb::Launch };
        let error = WebError::from(denied);
        assert_eq!(error.status, StatusCode::FORBIDDEN);
        assert!(error.message.contains("`launch`"), "{}", error.message);
    }

    #[test]
    fn what_went_wrong_inside_stays_inside() {
        let secret = std::io::Error::other("/srv/secret/path is gone");
        let error = WebError::from(AppError::internal("the store does not answer", secret));
        assert!(!error.message.contains("secret"));
        let error = WebError::from(SignInError::Internal("argon2 broke".into()));
        assert!(!error.message.contains("argon2"));
    }

    #[test]
    fn the_api_is_told_everything_in_one_shape() {
        let problem = Problem { line: Some(3), ..Problem::new("definition", "no such part") };
        let error = WebError::from(AppError::Invalid(vec![problem]));
        let body = Envelope {
            error: Body {
                status: error.status.as_u16(),
                message: &error.message,
                problems: error.problems.iter().map(ProblemBody::from).collect(),
                reference: "abc",
            },
        };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            "{\"error\":{\"status\":422,\"message\":\"no such part\",\"problems\":[{\"field\":\
             \"definition\",\"message\":\"no such part\",\"line\":3,\"hint\":null}],\
             \"reference\":\"abc\"}}"
        );
    }

    #[test]
    fn who_is_throttled_is_told_how_long() {
        let error =
            WebError::from(SignInError::Throttled { retry_after: Duration::from_millis(200) });
        assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(error.into_text().headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn a_refused_method_says_which_are_taken() {
        let response = WebError::method("GET, HEAD".into()).into_json("x");
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("there is no job 7"), "There is no job 7.");
        assert_eq!(sentence("Try again."), "Try again.");
        assert_eq!(sentence(""), ".");
    }
}

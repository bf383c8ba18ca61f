//! Asking a server: one request, one answer, and errors in words.

use super::{
    CliError,
    connect::Target,
    errors::{ErrorBody, ErrorJson},
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::error::Error as _;

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
    token: Option<String>,
}

impl Client {
    /// A client of `target`.
    pub fn new(http: reqwest::Client, target: Target, token: Option<String>) -> Self {
        Self { http, target, token }
    }

    /// The server it talks to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A URL of the server, for people.
    pub fn url(&self, path: &str) -> String {
        match &self.target {
            Target::Socket(_) => path.to_owned(),
            Target::Url(url) => format!("{url}{path}"),
        }
    }

    /// A request for `path` (with its query).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = match &self.target {
            Target::Socket(_) => format!("http://localhost{path}"),
            Target::Url(url) => format!("{url}{path}"),
        };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success is an error.
    ///
    /// # Errors
    /// The server cannot be reached, or says no.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response).await)
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// As [`send`](Self::send), or the answer is of another kind of server.
    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await.map_err(|e| self.broke(e))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            CliError::failed(format!("{} does not answer as an img server does", self.target), e)
        })
    }

    /// Asks for JSON at `path`.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.json(self.request(Method::GET, path)).await
    }

    /// The connection broke in the middle of an answer.
    pub fn broke(&self, error: reqwest::Error) -> CliError {
        CliError::failed(
            format!("the connection to {} broke", self.target),
            anyhow::anyhow!(reason(&error)),
        )
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let reason = reason(error);
        let hint = match &self.target {
            Target::Socket(path) if denied(error) => format!(
                "only root and the service's own user may use it: try with sudo, or name a \
                 server with --server URL instead of {}",
                path.display()
            ),
            Target::Socket(_) => "start it with `systemctl start img` or `img serve`, or name \
                                  another one with --server URL or IMG_SERVER"
                .to_owned(),
            Target::Url(url) if url.starts_with("https:") => {
                "check the address; a self-signed certificate is trusted with --ca FILE".to_owned()
            }
            Target::Url(_) => "check the address given with --server or IMG_SERVER".to_owned(),
        };
        CliError::Unreachable(format!("no server answers at {} ({reason}): {hint}", self.target))
    }

    async fn refused(&self, response: Response) -> CliError {
        let status = response.status();
        let bytes = response.bytes().await.unwrap_or_default();
        let told = serde_json::from_slice::<ErrorJson>(&bytes).map(|e| e.error);
        let ErrorBody { mut message, problems } = told.unwrap_or_else(|_| ErrorBody {
            message: format!("{} answered {status}", self.target),
            problems: Vec::new(),
        });
        if status == StatusCode::UNAUTHORIZED {
            message = match self.token {
                Some(_) => "the token is not accepted: make a new one on the account page".into(),
                None => "a token is needed: put it into IMG_TOKEN or name its file with \
                         --token-file"
                    .to_owned(),
            };
        }
        CliError::Refused { status: status.as_u16(), message, problems }
    }
}

/// The innermost reason: the layers above only say that a request failed.
fn reason(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut text = error.to_string();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

fn denied(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        source = inner.source();
    }
    false
}

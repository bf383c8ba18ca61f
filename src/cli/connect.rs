//! Which server is meant, and a connection to it: the local socket, or a URL.

use super::{CliError, args::Global, client::Client};
use crate::config::Config;
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the configuration lies when it is not named.
const CONFIG: &str = "/etc/img/config.toml";

/// The server that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one on this box.
    Socket(PathBuf),
    /// Another one; without a slash at the end.
    Url(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "the socket {}", path.display()),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl Global {
    /// The configuration file that counts; `None` for the built-in defaults.
    pub fn config_file(&self) -> Option<PathBuf> {
        let standard = || Some(PathBuf::from(CONFIG)).filter(|path| path.exists());
        self.config.clone().or_else(standard)
    }

    /// The configuration of the server on this box.
    pub fn load_config(&self) -> Result<Config, CliError> {
        let env = |key: &str| std::env::var(key).ok();
        Ok(Config::load(self.config_file().as_deref(), env)?)
    }

    /// The server that is meant.
    pub fn target(&self) -> Result<Target, CliError> {
        if let Some(url) = self.server.as_deref().filter(|url| !url.is_empty()) {
            return url_target(url);
        }
        match self.socket.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => Ok(Target::Socket(path.clone())),
            None => Ok(Target::Socket(self.load_config()?.socket())),
        }
    }

    /// A client of the server that is meant.
    pub fn client(&self) -> Result<Client, CliError> {
        let target = self.target()?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("img/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .no_proxy();
        // Every client needs one, also where no TLS is spoken. This only fails when one was
        // installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        builder = match &target {
            Target::Socket(path) => builder.unix_socket(path.as_path()).tls_certs_only([]),
            Target::Url(url) if url.starts_with("https:") => self.trust(builder)?,
            // Without TLS the system's certificates need not be read.
            Target::Url(_) => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(|e| CliError::failed("cannot set up the client", e))?;
        Ok(Client::new(http, target, self.token()?))
    }

    fn trust(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, CliError> {
        let Some(path) = &self.ca else { return Ok(builder) };
        let bad = |e: &dyn fmt::Display| {
            CliError::Usage(format!("cannot use the certificates in {}: {e}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|e| bad(&e))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad(&e))?;
        if certificates.is_empty() {
            return Err(bad(&"there is none in it"));
        }
        Ok(builder.tls_certs_only(certificates))
    }

    fn token(&self) -> Result<Option<String>, CliError> {
        let token = match &self.token_file {
            Some(path) => Some(read_token(path)?),
            None => std::env::var("IMG_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        match token {
            Some(token) if !token.bytes().all(|b| b.is_ascii_graphic()) => Err(CliError::Usage(
                "the token has characters no token has: copy it again from the account page"
                    .to_owned(),
            )),
            token => Ok(token),
        }
    }
}

fn read_token(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|e| CliError::Usage(format!("cannot read the token in {}: {e}", path.display())))
}

fn url_target(url: &str) -> Result<Target, CliError> {
    let bad = |why: &str| {
        Err(CliError::Usage(format!(
            "`{url}` is no server: {why}, such as `https://img.example.org`"
        )))
    };
    let Ok(parsed) = url.parse::<http::Uri>() else { return bad("give its URL") };
    match (parsed.scheme_str(), parsed.authority()) {
        (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => {}
        _ => return bad("give its URL with http:// or https://"),
    }
    if parsed.query().is_some() {
        return bad("give its URL without a query");
    }
    Ok(Target::Url(url.trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Target, CliError> {
        Global { server: Some(url.into()), ..Global::default() }.target()
    }

    #[test]
    fn a_url_names_a_server_and_nothing_else_does() {
        let url = |text: &str| Target::Url(text.into());
        assert_eq!(server("https://img.example.org/").unwrap(), url("https://img.example.org"));
        assert_eq!(server("http://[::1]:8080").unwrap(), url("http://[::1]:8080"));
        for bad in ["img.example.org", "ftp://x", "http://", "https://a@b", "http://x/?q", "/run"] {
            assert_eq!(server(bad).unwrap_err().code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_named_socket_goes_before_the_configured_one() {
        let global = Global { socket: Some("/run/x.sock".into()), ..Global::default() };
        assert_eq!(global.target().unwrap(), Target::Socket("/run/x.sock".into()));
    }

    #[test]
    fn a_token_file_that_holds_none_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "img_abc\nsecond line\n").unwrap();
        let global = Global { token_file: Some(path), ..Global::default() };
        let error = global.token().unwrap_err();
        assert_eq!(error.code(), 2);
        assert!(!error.to_string().contains("img_abc"));
    }
}

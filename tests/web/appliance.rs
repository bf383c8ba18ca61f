//! A whole appliance in this process, people to use it, and a plain HTTP client without manners.

use img::{
    accounts::{hash_blocking, session, token},
    config::{Config, Disk, Runner, Sandbox, Size},
    domain::{GroupName, Timestamp, User, UserName, Verb, Verbs},
    server::{Appliance, now},
    store::{SessionRecord, TokenRecord},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    sync::watch,
    time::timeout,
};

/// The password of everybody the tests make.
pub const PASSWORD: &str = "four green kettles sing";
/// Longest a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Running {
    pub appliance: Appliance,
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    dir: TempDir,
}

/// Somebody who asks.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub cookie: Option<String>,
    pub bearer: Option<String>,
    /// Through the local socket.
    pub console: bool,
}

impl Person {
    pub fn csrf(&self) -> String {
        self.cookie.as_deref().map(session::csrf).unwrap_or_default()
    }
}

/// An answer, its body as far as it was read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.head.lines().skip(1).filter_map(move |line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or("")
    }

    /// The value a cookie was set to.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let set =
            self.headers("set-cookie").find_map(|c| c.strip_prefix(name)?.strip_prefix('='))?;
        set.split(';').next()
    }
}

/// A request; `Host` and `Origin` are right unless said otherwise.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub person: Person,
    pub host: Option<String>,
    pub origin: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn new(method: &str, path: &str, person: &Person) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            person: person.clone(),
            host: Some("localhost".into()),
            origin: Some("http://localhost".into()),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn get(path: &str, person: &Person) -> Self {
        Self::new("GET", path, person)
    }

    /// A form with the person's CSRF token.
    pub fn form(path: &str, person: &Person, fields: &[(&str, &str)]) -> Self {
        Self::new("POST", path, person).fields(&person.csrf(), fields)
    }

    pub fn fields(mut self, csrf: &str, fields: &[(&str, &str)]) -> Self {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let mut all = vec![("csrf", csrf)];
        all.extend_from_slice(fields);
        let pairs: Vec<_> =
            all.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        self.body = pairs.join("&").into_bytes();
        self.typed("application/x-www-form-urlencoded")
    }

    /// A multipart form; a value with a file name is a file.
    pub fn multipart(
        mut self,
        csrf: &str,
        fields: &[(&str, &str)],
        file: Option<(&str, &[u8])>,
    ) -> Self {
        let mut all = vec![("csrf", csrf)];
        all.extend_from_slice(fields);
        for (name, value) in all {
            let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            self.body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        if let Some((name, bytes)) = file {
            let head = format!(
                "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
            );
            self.body.extend_from_slice(head.as_bytes());
            self.body.extend_from_slice(bytes);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"--b--\r\n");
        self.typed("multipart/form-data; boundary=b")
    }

    pub fn typed(mut self, kind: &str) -> Self {
        self.headers.push(("Content-Type".into(), kind.into()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        let mut put = |name: &str, value: &str| head += &format!("{name}: {value}\r\n");
        if let Some(host) = &self.host {
            put("Host", host);
        }
        if let Some(origin) = self.origin.as_ref().filter(|_| self.method == "POST") {
            put("Origin", origin);
        }
        if let Some(cookie) = &self.person.cookie {
            put("Cookie", &format!("img={cookie}"));
        }
        if let Some(token) = &self.person.bearer {
            put("Authorization", &format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            put(name, value);
        }
        if self.method == "POST" {
            put("Content-Length", &self.body.len().to_string());
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

impl Running {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a runner that only says a few words.
    pub async fn with_runner(change: impl FnOnce(&mut Config)) -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plugins");
        let words = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect());
        let grant = Runner {
            programs: words(&["echo", "printf"]),
            privileges: words(&["network"]),
            ..Runner::default()
        };
        Self::with(|config| {
            // Beside the data: it stays as long as they do.
            config.plugins.dir = config.server.data_dir.with_file_name("plugins");
            std::fs::create_dir(&config.plugins.dir).unwrap();
            let dropped = config.plugins.dir.join("hostile.wasm");
            std::fs::copy(fixture.join("hostile.wasm"), dropped).unwrap();
            config.build.sandbox = Sandbox::Off;
            config.runners.insert("hostile".into(), grant);
            change(config);
        })
        .await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::Builder::new().prefix("img-web-").tempdir().unwrap();
        let mut config = Config::default();
        config.server.data_dir = dir.path().join("data");
        config.server.listen = vec!["127.0.0.1:0".parse().unwrap()];
        // A box with little disk holds no job of a test.
        config.disk = Disk {
            hold_below: Size::bytes(1),
            resume_above: Size::bytes(1),
            emergency_below: Size::bytes(0),
            unknown_need: Size::mib(1),
            ballast: Size::bytes(0),
        };
        change(&mut config);
        let (stop, stopped) = watch::channel(false);
        let appliance = Appliance::start(config, stopped).await.unwrap();
        let address = appliance.addresses()[0];
        Self { appliance, address, stop, dir }
    }

    pub async fn end(self) {
        let Self { appliance, stop, dir, .. } = self;
        stop.send(true).unwrap();
        timeout(PATIENCE, appliance.ended()).await.expect("it stops");
        drop(dir);
    }

    pub async fn ask(&self, ask: Ask) -> Answer {
        if ask.person.console {
            let path: PathBuf = self.dir.path().join("data/img.sock");
            return talk(UnixStream::connect(path).await.unwrap(), &ask).await;
        }
        talk(TcpStream::connect(self.address).await.unwrap(), &ask).await
    }

    pub async fn get(&self, path: &str, person: &Person) -> Answer {
        self.ask(Ask::get(path, person)).await
    }

    /// The head of an answer, and its body as bytes however long it is; chunks are put together.
    pub async fn bytes(&self, ask: Ask) -> (Answer, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&ask.bytes()).await.unwrap();
        let mut all = Vec::new();
        // A transfer that breaks is an answer too.
        let read = timeout(PATIENCE, stream.read_to_end(&mut all)).await;
        let _ = read.unwrap_or_else(|_| panic!("no end of {} {}", ask.method, ask.path));
        let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let head = head.trim_end().replace("\r\n", "\n");
        let answer = Answer { status, head, body: String::new() };
        let mut body = all.split_off(end);
        if answer.header("transfer-encoding") == Some("chunked") {
            body = dechunked(&body);
        }
        (answer, body)
    }

    /// Makes a user who is in a group, or a superuser for no group at all.
    pub async fn user(&self, name: &str, group: Option<&str>) -> UserName {
        let name = UserName::new(name).unwrap();
        let user = User {
            name: name.clone(),
            full_name: String::new(),
            mail: String::new(),
            password_hash: password_hash(),
            active: true,
            staff: false,
            superuser: group.is_none(),
            must_set_password: false,
            groups: group.into_iter().map(|g| GroupName::new(g).unwrap()).collect(),
            verbs: Verbs::NONE,
            created: now(),
            last_login: None,
            quota: img::domain::UserQuota::default(),
            setup: None,
        };
        self.appliance.app().store().write(move |tx| tx.put_user(&user)).await.unwrap();
        name
    }

    /// As [`user`](Self::user), and they may enter the Admin tab.
    pub async fn staff(&self, name: &str, group: Option<&str>) -> UserName {
        let name = self.user(name, group).await;
        self.change_user(&name, |user| user.staff = true).await;
        name
    }

    /// Changes a user past every page.
    pub async fn change_user(
        &self,
        name: &UserName,
        change: impl FnOnce(&mut User) + Send + 'static,
    ) {
        let name = name.clone();
        let written = self.appliance.app().store().write(move |tx| {
            let mut user = tx.user(&name)?.unwrap();
            change(&mut user);
            tx.put_user(&user)
        });
        written.await.unwrap();
    }

    /// A session of a user.
    pub async fn session(&self, user: &UserName, only_set_password: bool) -> Person {
        let cookie = session::generate().unwrap();
        let record = SessionRecord {
            id_hash: session::hash(&cookie).unwrap(),
            user: user.clone(),
            created: now(),
            last_used: now(),
            peer: "the tests".into(),
            agent: String::new(),
            only_set_password,
        };
        self.appliance.app().store().write(move |tx| tx.put_session(&record)).await.unwrap();
        Person { cookie: Some(cookie), ..Person::default() }
    }

    /// A token of a user.
    pub async fn token(&self, user: &UserName, scope: &[Verb]) -> Person {
        let secret = token::generate().unwrap();
        let record = TokenRecord {
            id_hash: token::hash(&secret),
            prefix: token::prefix(&secret),
            label: "tests".into(),
            user: user.clone(),
            scope: scope.iter().copied().collect(),
            created: Timestamp::default(),
            expires: None,
            last_used: Some(now()),
        };
        self.appliance.app().store().write(move |tx| tx.put_token(&record)).await.unwrap();
        Person { bearer: Some(secret), ..Person::default() }
    }
}

/// The hash of everybody's password; made once, for it is slow on purpose.
fn password_hash() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_blocking(PASSWORD).unwrap()).clone()
}

fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
    body
}

/// Sends a request and reads the answer; of one that never ends, only the head.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, ask: &Ask) -> Answer {
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(&ask.bytes()).await;
    let mut bytes = Vec::new();
    let whole = timeout(PATIENCE, async {
        let mut block = [0u8; 16 * 1024];
        loop {
            let read = stream.read(&mut block).await.unwrap_or(0);
            bytes.extend_from_slice(&block[..read]);
            let text = String::from_utf8_lossy(&bytes);
            if read == 0 || text.contains("text/event-stream") && text.contains("\r\n\r\n") {
                break;
            }
        }
    });
    whole.await.unwrap_or_else(|_| panic!("no answer to {} {}", ask.method, ask.path));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Answer { status, head: head.replace("\r\n", "\n"), body: body.to_owned() }
}

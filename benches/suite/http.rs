//! A client that costs next to nothing: one connection, blocking, no parsing beyond what is needed.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// An open connection to the service.
pub struct Client {
    stream: TcpStream,
    port: u16,
    /// Sent with every request: cookie or token.
    pub identity: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Client {
    pub fn new(port: u16, identity: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, port, identity: identity.to_owned() }
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let (port, identity) = (self.port, &self.identity);
        format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n{identity}{more}\r\n"
        )
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.stream.write_all(self.head("GET", path, "").as_bytes()).unwrap();
        self.answer()
    }

    /// A form as a browser posts it; values must need no escaping.
    pub fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<_> =
            fields.iter().map(|(k, v)| format!("{k}={}", v.replace(' ', "+"))).collect();
        self.post(path, "application/x-www-form-urlencoded", fields.join("&").as_bytes())
    }

    pub fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let more = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        let mut request = self.head("POST", path, &more).into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).unwrap();
        self.answer()
    }

    /// Sends a request whose answer goes on; the rest is read from the stream.
    pub fn open(mut self, path: &str) -> TcpStream {
        self.stream.write_all(self.head("GET", path, "").as_bytes()).unwrap();
        self.stream
    }

    fn answer(&mut self) -> Answer {
        let mut bytes = Vec::with_capacity(16 * 1024);
        let mut chunk = [0u8; 64 * 1024];
        let mut read = |bytes: &mut Vec<u8>| {
            let n = self.stream.read(&mut chunk).unwrap();
            assert!(n > 0, "the service closed the connection: {}", String::from_utf8_lossy(bytes));
            bytes.extend_from_slice(&chunk[..n]);
        };
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            read(&mut bytes);
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: bytes.split_off(end) };
        if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().unwrap();
            while answer.body.len() < length {
                read(&mut answer.body);
            }
        } else if answer.header("transfer-encoding").is_some() {
            while !answer.body.ends_with(b"0\r\n\r\n") {
                read(&mut answer.body);
            }
        }
        answer
    }
}

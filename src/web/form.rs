//! Forms: urlencoded and multipart, with limits, and with everything that could be read kept when
//! something was wrong, so that nobody has to type it again.

use super::body::{Body, BodyError};
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// Fields a form may have.
const MAX_FIELDS: usize = 2_000;
/// Bytes of one field of text, except the definition's.
const MAX_TEXT: usize = 64 * 1024;
/// The field in which a definition is pasted.
const PASTED: &str = "definition";
/// Bytes over the limit that are still read, and thrown away, so that the browser gets to see the
/// answer instead of a broken connection.
const DRAIN: u64 = 64 << 20;

/// Why a form could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// See [`BodyError`].
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is of another type.
    #[error("the form is of an unknown type: send it from the page it belongs to")]
    Type,
    /// A field of text is not UTF-8.
    #[error("the field `{field}` is not valid UTF-8 text: send it as UTF-8")]
    NotText {
        /// The field.
        field: String,
    },
    /// A field or file is too large.
    #[error("`{field}` has more than {limit} bytes: that is more than is allowed")]
    TooLarge {
        /// The field.
        field: String,
        /// Bytes it may have.
        limit: u64,
    },
    /// Too many fields.
    #[error("the form has more than {0} fields: send fewer")]
    Fields(usize),
    /// It cannot be read at all.
    #[error("the form is damaged: send it from the page it belongs to")]
    Malformed,
    /// The CSRF token is missing or wrong.
    #[error("the form was not sent from this site")]
    Forged,
}

/// A file that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The field it was chosen in.
    pub field: String,
    /// What it is called on the sender's machine; empty if nothing was chosen.
    pub file_name: String,
    /// Its bytes, as far as they were kept.
    pub bytes: Vec<u8>,
}

/// A form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    fields: Vec<(String, String)>,
    files: Vec<Upload>,
}

impl Form {
    /// The first value of a field; empty if it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field, in order.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.fields.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Every field, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The file chosen in a field; `None` if there was none.
    pub fn file(&self, field: &str) -> Option<&Upload> {
        self.files.iter().find(|f| f.field == field && !f.file_name.is_empty())
    }

    fn push(&mut self, name: String, value: String) -> Result<(), FormError> {
        if self.fields.len() + self.files.len() >= MAX_FIELDS {
            return Err(FormError::Fields(MAX_FIELDS));
        }
        self.fields.push((name, value));
        Ok(())
    }
}

/// A form as far as it could be read, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Read {
    /// What was read.
    pub form: Form,
    /// Why it is not all.
    pub problem: Option<FormError>,
}

/// Reads `name=value&…`; a plus is a blank.
///
/// # Errors
/// Not UTF-8, or too many fields.
pub fn decode(text: &[u8]) -> Result<Form, FormError> {
    let mut form = Form::default();
    for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let mut parts = pair.splitn(2, |b| *b == b'=');
        let name = decode_part(parts.next().unwrap_or(b""), "name of a field")?;
        let value = decode_part(parts.next().unwrap_or(b""), &name)?;
        form.push(name, value)?;
    }
    Ok(form)
}

fn decode_part(part: &[u8], field: &str) -> Result<String, FormError> {
    let blanks: Cow<'_, [u8]> = if part.contains(&b'+') {
        part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect::<Vec<_>>().into()
    } else {
        part.into()
    };
    let bytes: Vec<u8> = percent_decode(&blanks).collect();
    let named = || FormError::NotText { field: field.chars().take(40).collect() };
    String::from_utf8(bytes).map_err(|_| named())
}

/// Reads an urlencoded form.
pub async fn urlencoded(body: &mut Body, content_type: &str) -> Read {
    let kind = content_type.split(';').next().unwrap_or("").trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Read { problem: Some(FormError::Type), ..Read::default() };
    }
    let form = match body.bytes().await {
        Ok(bytes) => decode(&bytes),
        Err(error) => Err(error.into()),
    };
    match form {
        Ok(form) => Read { form, problem: None },
        Err(problem) => Read { problem: Some(problem), ..Read::default() },
    }
}

/// Reads a multipart form. Before the first file, and at the end, `genuine` says whether the
/// fields so far prove that the form is ours; if not, nothing more is read.
pub async fn multipart(
    body: Body,
    content_type: &str,
    file_limit: u64,
    genuine: impl Fn(&Form) -> bool + Send,
) -> Read {
    let mut read = Read::default();
    let Ok(boundary) = multer::parse_boundary(content_type) else {
        return Read { problem: Some(FormError::Type), ..read };
    };
    let mut parts = multer::Multipart::new(body.into_stream(DRAIN), boundary);
    loop {
        let field = match parts.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(error) => return ended(read, &error),
        };
        if field.file_name().is_some() && !genuine(&read.form) {
            return Read { problem: Some(FormError::Forged), ..read };
        }
        if let Err(problem) = take_part(&mut read, field, file_limit).await {
            return Read { problem: Some(read.problem.take().unwrap_or(problem)), ..read };
        }
    }
    if !genuine(&read.form) {
        read.problem = Some(FormError::Forged);
    }
    read
}

fn ended(read: Read, error: &multer::Error) -> Read {
    let problem = read.problem.unwrap_or_else(|| reason(error));
    Read { problem: Some(problem), ..read }
}

/// What the reader's error means; ours come back wrapped.
fn reason(error: &multer::Error) -> FormError {
    if let multer::Error::StreamReadFailed(inner) = error {
        return match inner.downcast_ref::<BodyError>() {
            Some(error) => (*error).into(),
            None => BodyError::Broken.into(),
        };
    }
    match error {
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
            BodyError::Broken.into()
        }
        _ => FormError::Malformed,
    }
}

async fn take_part(
    read: &mut Read,
    mut field: multer::Field<'_>,
    file_limit: u64,
) -> Result<(), FormError> {
    let name = field.name().unwrap_or("").to_owned();
    let file_name = field.file_name().map(str::to_owned);
    let limit = match &file_name {
        Some(_) => file_limit,
        None if name == PASTED => file_limit,
        None => MAX_TEXT as u64,
    };
    let (mut bytes, mut over) = (Vec::new(), false);
    while let Some(chunk) = field.chunk().await.map_err(|e| reason(&e))? {
        over |= (bytes.len() + chunk.len()) as u64 > limit;
        if !over {
            bytes.extend_from_slice(&chunk);
        }
    }
    if over {
        let field = name.chars().take(40).collect();
        read.problem.get_or_insert(FormError::TooLarge { field, limit });
    }
    match file_name {
        Some(file_name) => {
            if read.form.files.len() + read.form.fields.len() >= MAX_FIELDS {
                return Err(FormError::Fields(MAX_FIELDS));
            }
            read.form.files.push(Upload { field: name, file_name, bytes });
            Ok(())
        }
        None => push_text(read, name, bytes),
    }
}

fn push_text(read: &mut Read, name: String, bytes: Vec<u8>) -> Result<(), FormError> {
    match String::from_utf8(bytes) {
        Ok(text) => read.form.push(name, text),
        Err(error) => {
            // The rest of the form is still worth keeping, and what can be read of this too.
            let field = name.chars().take(40).collect();
            read.problem.get_or_insert(FormError::NotText { field });
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            read.form.push(name, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=b";

    fn body(bytes: Vec<u8>, limit: u64) -> Body {
        let chunks: Vec<_> =
            bytes.chunks(7).map(|c| Ok::<_, BodyError>(Bytes::copy_from_slice(c))).collect();
        Body::new(futures_util::stream::iter(chunks), limit)
    }

    fn part(name: &str, file: Option<&str>, value: &[u8]) -> Vec<u8> {
        let file = file.map(|f| format!("; filename=\"{f}\"")).unwrap_or_default();
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        [head.as_bytes(), value, b"\r\n"].concat()
    }

    async fn read(parts: &[Vec<u8>], limit: u64) -> Read {
        let mut bytes = parts.concat();
        bytes.extend_from_slice(b"--b--\r\n");
        let genuine = |form: &Form| form.get("csrf") == "ok";
        multipart(body(bytes, limit + MAX_TEXT as u64), TYPE, limit, genuine).await
    }

    #[test]
    fn an_urlencoded_form_is_decoded() {
        let form = decode(b"a=1&b=x+y%2B&a=2&empty&=v&u=%C3%BC").unwrap();
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((form.get("b"), form.get("u"), form.get("none")), ("x y+", "ü", ""));
        assert_eq!(form.get(""), "v");
    }

    #[test]
    fn a_field_that_is_no_text_is_named() {
        let error = decode(b"name=%ff").unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1);
        assert_eq!(error, FormError::NotText { field: "name".into() });
    }

    #[test]
    fn a_form_has_a_limited_number_of_fields() {
        let text = "a=1&".repeat(MAX_FIELDS + 1);
        assert_eq!(decode(text.as_bytes()), Err(FormError::Fields(MAX_FIELDS)));
    }

    #[tokio::test]
    async fn another_type_is_refused() {
        let mut json = body(b"{}".to_vec(), 10);
        assert_eq!(urlencoded(&mut json, "application/json").await.problem, Some(FormError::Type));
        let read = multipart(body(b"{}".to_vec(), 10), "application/json", 10, |_| true).await;
        assert_eq!(read.problem, Some(FormError::Type));
    }

    #[tokio::test]
    async fn an_upload_comes_with_its_name_and_bytes() {
        let read = read(
            &[
                part("csrf", None, b"ok"),
                part("file", Some("a.ks"), b"lang\xff\r\n"),
                part("name", None, "ü".as_bytes()),
            ],
            100,
        )
        .await;
        assert_eq!(read.problem, None);
        assert_eq!(read.form.file("file").unwrap().bytes, b"lang\xff\r\n");
        assert_eq!(read.form.file("file").unwrap().file_name, "a.ks");
        assert_eq!(read.form.get("name"), "ü");
    }

    #[tokio::test]
    async fn nothing_chosen_is_no_file() {
        let read = read(&[part("csrf", None, b"ok"), part("file", Some(""), b"")], 9).await;
        assert_eq!((read.problem, read.form.file("file")), (None, None));
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_not_kept_and_the_rest_of_the_form_is() {
        let parts = [
            part("csrf", None, b"ok"),
            part("name", None, b"core"),
            part("file", Some("a.ks"), &[b'x'; 5000]),
            part("arch", None, b"i586"),
        ];
        let read = read(&parts, 1000).await;
        assert_eq!(read.problem, Some(FormError::TooLarge { field: "file".into(), limit: 1000 }));
        assert_eq!((read.form.get("name"), read.form.get("arch")), ("core", "i586"));
        assert!(read.form.file("file").unwrap().bytes.len() <= 1000);
    }

    #[tokio::test]
    async fn a_file_before_the_proof_is_not_read() {
        let parts = [part("file", Some("a.ks"), b"x"), part("csrf", None, b"ok")];
        let read = read(&parts, 10).await;
        assert_eq!((read.problem, read.form.file("file")), (Some(FormError::Forged), None));
    }

    #[tokio::test]
    async fn a_form_without_the_proof_is_refused() {
        let read = read(&[part("csrf", None, b"no"), part("name", None, b"x")], 10).await;
        assert_eq!(read.problem, Some(FormError::Forged));
    }

    #[tokio::test]
    async fn text_that_is_not_utf8_is_named_and_the_rest_kept() {
        let parts =
            [part("csrf", None, b"ok"), part("name", None, b"a\xff"), part("b", None, b"c")];
        let read = read(&parts, 10).await;
        assert_eq!(read.problem, Some(FormError::NotText { field: "name".into() }));
        assert_eq!((read.form.get("name"), read.form.get("b")), ("a\u{fffd}", "c"));
    }

    #[tokio::test]
    async fn a_form_that_ends_early_says_so() {
        let bytes = part("csrf", None, b"ok");
        let read = multipart(body(bytes, 1000), TYPE, 10, |_| true).await;
        assert_eq!(read.problem, Some(BodyError::Broken.into()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(pairs in proptest::collection::vec((".*", ".*"), 0..8)) {
            let all = percent_encoding::NON_ALPHANUMERIC;
            let text: Vec<_> = pairs
                .iter()
                .map(|(n, v)| format!(
                    "{}={}",
                    percent_encoding::utf8_percent_encode(n, all),
                    percent_encoding::utf8_percent_encode(v, all)
                ))
                .collect();
            let form = decode(text.join("&").as_bytes()).unwrap();
            let back: Vec<_> =
                form.fields().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(back, pairs);
        }

        #[test]
        fn no_bytes_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode(&bytes);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let mut framed = b"--b\r\nContent-Disposition: form-data; ".to_vec();
            framed.extend_from_slice(&bytes);
            for bytes in [bytes, framed] {
                let read = runtime.block_on(multipart(body(bytes, 300), TYPE, 100, |_| true));
                for (_, value) in read.form.fields() {
                    prop_assert!(value.len() <= 3 * MAX_TEXT);
                }
            }
        }
    }
}

//! Handing in a definition: the form, what it is told, and what happens to it.

use super::{
    Reply, Screens, Visit, WebError,
    body::BodyError,
    flash::Notice,
    form::{Form, FormError, Read},
    pages::{self, Source, SubmitPage},
    reply,
};
use crate::app::{App, AppError, CheckView, InspectView, NewJob, Problem};
use http::StatusCode;

/// The queue that is chosen at first.
const USUAL_QUEUE: &str = "web";
/// What the names of the runner's own fields begin with.
const OPTION: &str = "option.";

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("submit", form_page)
        .on("submit.post", submit)
        .on("submit.inspect", inspect_fragment)
}

/// What the form is to show again.
struct Shown {
    typed: NewJob,
    source: Source,
    problems: Vec<Problem>,
    inspect: Option<InspectView>,
    check: Option<CheckView>,
}

impl Shown {
    fn new(typed: NewJob, source: Source) -> Self {
        Self { typed, source, problems: Vec::new(), inspect: None, check: None }
    }
}

fn page(visit: &Visit, status: StatusCode, shown: &Shown) -> Reply {
    let choices = visit.app.choices(visit.actor()?)?;
    let until = |name| visit.app.kept_until(name, visit.now);
    let kept: Vec<_> =
        choices.queues.iter().map(|(queue, _)| (queue.name.clone(), until(&queue.name))).collect();
    let page = SubmitPage {
        kept: &kept,
        choices: &choices,
        typed: &shown.typed,
        source: shown.source,
        problems: &shown.problems,
        inspect: shown.inspect.as_ref(),
        check: shown.check.as_ref(),
    };
    Ok(reply::html(status, pages::submit(&visit.frame(), &page)))
}

async fn form_page(visit: Visit) -> Reply {
    let asked = |name: &str| visit.query(name).unwrap_or_default().into_owned();
    let typed = NewJob {
        runner: asked("runner"),
        input_job: asked("input_job"),
        queue: USUAL_QUEUE.into(),
        ..NewJob::default()
    };
    page(&visit, StatusCode::OK, &Shown::new(typed, Source::default()))
}

async fn submit(mut visit: Visit) -> Reply {
    let Read { form, problem } = visit.read_now().await;
    let source = Source::from_word(form.get("source")).unwrap_or_default();
    let (typed, source) = typed(&form, source);
    let mut shown = Shown::new(typed, source);
    if let Some(problem) = problem {
        return unread(&visit, shown, problem);
    }
    if let Err(problem) = check_text(&shown.typed.definition) {
        shown.problems.push(problem);
        // What cannot be shown as text cannot be kept in the form.
        shown.typed.definition.clear();
        return page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    match form.get("action") {
        "check" => check(&visit, shown).await,
        "inspect" => inspect(&visit, shown).await,
        _ => hand_in(&visit, shown).await,
    }
}

async fn hand_in(visit: &Visit, mut shown: Shown) -> Reply {
    let job = shown.typed.clone();
    match visit.app.submit(visit.actor()?, job, &visit.peer, visit.now).await {
        Ok(id) => {
            let notice = Notice::Submitted(id);
            Ok(reply::see_other_with(&format!("/jobs/{id}"), &notice, visit.secure))
        }
        Err(error) => {
            let error = told(&mut shown, error)?;
            Ok(error.dress(page(visit, error.status, &shown)?))
        }
    }
}

async fn check(visit: &Visit, mut shown: Shown) -> Reply {
    match visit.app.check(visit.actor()?, shown.typed.clone(), visit.now).await {
        Ok(found) => {
            shown.check = Some(found);
            page(visit, StatusCode::OK, &shown)
        }
        Err(error) => {
            let error = told(&mut shown, error)?;
            Ok(error.dress(page(visit, error.status, &shown)?))
        }
    }
}

/// Shows the form again, with the chosen runner's fields and what the definition says of itself.
async fn inspect(visit: &Visit, mut shown: Shown) -> Reply {
    if shown.typed.definition.is_empty() {
        return page(visit, StatusCode::OK, &shown);
    }
    let NewJob { runner, definition_name, definition, .. } = shown.typed.clone();
    match visit.app.inspect(visit.actor()?, &runner, &definition_name, definition).await {
        Ok(found) => {
            fill_in(&mut shown.typed, &found);
            shown.inspect = Some(found);
            page(visit, StatusCode::OK, &shown)
        }
        Err(error) => {
            let error = told(&mut shown, error)?;
            Ok(error.dress(page(visit, error.status, &shown)?))
        }
    }
}

/// What the definition says goes where nothing was typed.
fn fill_in(typed: &mut NewJob, found: &InspectView) {
    let said = [
        (&mut typed.runner, Some(&found.runner)),
        (&mut typed.name, found.name.as_ref()),
        (&mut typed.image_type, found.image_type.as_ref()),
        (&mut typed.arch, found.arch.as_ref()),
    ];
    for (field, said) in said {
        if let Some(said) = said.filter(|_| field.is_empty()) {
            field.clone_from(said);
        }
    }
}

/// Turns an error into problems beside the fields, where that helps whoever typed them.
fn told(shown: &mut Shown, error: AppError) -> Result<WebError, WebError> {
    let busy = matches!(error, AppError::Busy { .. });
    let mut error = WebError::from(error);
    if busy {
        let problem = Problem::new("queue", error.message.clone());
        error.problems.push(problem);
    }
    if error.problems.is_empty() {
        return Err(error);
    }
    shown.problems = std::mem::take(&mut error.problems);
    Ok(error)
}

/// The form could not be read as a whole: what was read is shown again.
fn unread(visit: &Visit, mut shown: Shown, problem: FormError) -> Reply {
    let field = match &problem {
        FormError::TooLarge { .. } | FormError::Body(BodyError::TooLarge(_)) => "definition",
        FormError::NotText { field } => field,
        _ => return Err(problem.into()),
    };
    shown.problems.push(Problem::new(field, problem.to_string()));
    let error = WebError::from(problem);
    if error.status == StatusCode::PAYLOAD_TOO_LARGE {
        shown.typed.definition.clear();
    }
    Ok(error.dress(page(visit, error.status, &shown)?))
}

/// What was typed. A chosen file wins if that is the source; it comes back as text, because no
/// browser lets a page choose a file.
fn typed(form: &Form, source: Source) -> (NewJob, Source) {
    let file = form.file("file").filter(|_| source == Source::Upload);
    let (definition_name, definition) = match file {
        Some(file) => (file.file_name.clone(), file.bytes.clone()),
        // Browsers end the lines of a text field like CR LF.
        None => (
            form.get("definition_name").to_owned(),
            form.get("definition").replace("\r\n", "\n").into_bytes(),
        ),
    };
    let source = if definition.is_empty() { source } else { Source::Paste };
    let text = |name: &str| form.get(name).trim().to_owned();
    let typed = NewJob {
        name: text("name"),
        runner: text("runner"),
        image_type: text("image_type"),
        arch: text("arch"),
        queue: text("queue"),
        definition_name,
        definition,
        packages: form.get("packages").lines().map(|l| l.trim().to_owned()).collect(),
        options: options(form),
        input_job: text("input_job"),
    };
    (typed, source)
}

/// The runner's own fields; of two values of a name the first counts.
fn options(form: &Form) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    for (name, value) in form.fields() {
        let Some(id) = name.strip_prefix(OPTION) else { continue };
        if !options.iter().any(|(known, _)| known == id) {
            options.push((id.to_owned(), value.replace("\r\n", "\n")));
        }
    }
    options
}

/// A definition is text; says where it is not.
fn check_text(definition: &[u8]) -> Result<(), Problem> {
    let Err(error) = std::str::from_utf8(definition) else { return Ok(()) };
    let good = definition.get(..error.valid_up_to()).unwrap_or_default();
    let bad = definition.get(error.valid_up_to()).copied().unwrap_or_default();
    let line = good.iter().filter(|b| **b == b'\n').count() + 1;
    let column = good.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    let message =
        format!("the definition is not UTF-8 text: byte {column} of line {line} is 0x{bad:02x}");
    let mut problem = Problem::new("definition", message);
    problem.line = u32::try_from(line).ok();
    problem.hint = Some("save it as UTF-8 and choose it again".into());
    Err(problem)
}

/// For the script of the form: what the definition says of itself, as a piece of the page.
async fn inspect_fragment(mut visit: Visit) -> Reply {
    let form = visit.multipart().await?;
    let source = Source::from_word(form.get("source")).unwrap_or_default();
    let (typed, _) = typed(&form, source);
    if let Err(problem) = check_text(&typed.definition) {
        return Err(AppError::Invalid(vec![problem]).into());
    }
    let NewJob { runner, definition_name, definition, .. } = typed;
    let found = visit.app.inspect(visit.actor()?, &runner, &definition_name, definition).await?;
    Ok(reply::page(pages::inspect_fragment(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::form;

    fn form(text: &str) -> Form {
        form::decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_pasted_has_plain_line_ends() {
        let form = form("source=paste&definition=lang+en%0D%0Akeyboard+us&definition_name=a.ks");
        let (typed, source) = typed(&form, Source::Paste);
        assert_eq!(typed.definition, b"lang en\nkeyboard us");
        assert_eq!((typed.definition_name.as_str(), source), ("a.ks", Source::Paste));
    }

    #[test]
    fn nothing_handed_in_leaves_the_source_as_it_was() {
        let (typed, source) = typed(&form("source=upload&name=+core+"), Source::Upload);
        assert_eq!((typed.name.as_str(), source), ("core", Source::Upload));
    }

    #[test]
    fn of_two_values_of_an_option_the_first_counts() {
        let form = form("option.comps=yes&option.comps=no&option.size=7&other=x");
        let wanted = [("comps", "yes"), ("size", "7")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(options(&form), wanted);
    }

    #[test]
    fn a_definition_that_is_no_text_is_told_by_line_and_byte() {
        assert_eq!(check_text("lang ü\n".as_bytes()), Ok(()));
        let problem = check_text(b"lang en\nkey\xe9board\n").unwrap_err();
        assert_eq!(problem.message, "the definition is not UTF-8 text: byte 4 of line 2 is 0xe9");
        assert_eq!(problem.line, Some(2));
        assert_eq!(check_text(b"\xff").unwrap_err().line, Some(1));
    }

    #[test]
    fn what_was_typed_wins_over_what_the_definition_says() {
        let mut typed = NewJob { name: "mine".into(), ..NewJob::default() };
        let found = InspectView {
            runner: "mic".into(),
            name: Some("theirs".into()),
            arch: Some("i586".into()),
            ..InspectView::default()
        };
        fill_in(&mut typed, &found);
        assert_eq!((typed.name.as_str(), typed.arch.as_str()), ("mine", "i586"));
        assert_eq!((typed.runner.as_str(), typed.image_type.as_str()), ("mic", ""));
    }

    #[test]
    fn a_full_queue_is_told_beside_the_queue_and_what_broke_is_a_page_of_its_own() {
        let mut shown = Shown::new(NewJob::default(), Source::Paste);
        let busy = AppError::Busy {
            message: "queue web is full".into(),
            retry_after: std::time::Duration::from_secs(60),
        };
        let error = told(&mut shown, busy).unwrap();
        assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(shown.problems, [Problem::new("queue", "queue web is full")]);
        assert!(told(&mut shown, AppError::internal("the store does not answer", "x")).is_err());
    }
}

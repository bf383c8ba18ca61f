//! The log as events: whole lines, each event's id the byte offset after them. Whoever comes
//! back with that offset gets exactly the rest: no line lost, none twice.

use super::{
    blocks::{Block, Blocks, whole_lines},
    follow::{CHUNK, Follow},
};
use crate::{
    app::{LogFile, LogIndex},
    web::lines::damaged,
};
use bytes::Bytes;
use std::{io, sync::Arc};

/// Opens the index of the log; `None` if there is none.
pub type FindIndex = Box<dyn FnOnce() -> Option<LogIndex> + Send>;

/// A log on its way to one watcher.
pub struct LogEvents {
    // Let go before the file in `log`: see `Blocks::of`.
    blocks: Option<Arc<Blocks>>,
    log: Follow,
    index: Option<FindIndex>,
    /// Everything before it was sent.
    offset: u64,
    /// Everything before it was looked at: between the two lies an unfinished line.
    seen: u64,
    /// The number of the line at `offset`, once it is known.
    line: Option<u64>,
}

impl LogEvents {
    /// The events from byte `offset` on; an offset behind the end means the end.
    ///
    /// # Errors
    /// When the log cannot be asked how long it is.
    pub fn new(mut log: Follow, index: FindIndex, offset: u64) -> io::Result<Self> {
        let offset = offset.min(log.state()?.len);
        let index = Some(index);
        Ok(Self { blocks: None, log, index, offset, seen: offset, line: None })
    }

    /// The next event; `None` at the end of the log. Giving up waiting loses nothing.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let state = self.log.wait_past(self.seen).await?;
            if state.len <= self.offset {
                return Ok(None);
            }
            if let Some(block) = self.blocks()?.and_then(|blocks| blocks.get(self.offset)) {
                return Ok(Some(self.pass(block)));
            }
            let bytes = match self.log.read(self.offset, state.len).await {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return self.give_up(&error, state.len).await.map(Some);
                }
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = self.offset.saturating_add(bytes.len() as u64);
            // Of a log that has ended, fewer bytes than that come before its end or a damaged part.
            let last = state.ended && (end >= state.len || bytes.len() < CHUNK);
            let whole = whole_lines(&bytes, bytes.len() >= CHUNK, last);
            match bytes.get(..whole).filter(|lines| !lines.is_empty()) {
                None => self.seen = end,
                Some(lines) => return self.render(lines, state.ended).await.map(Some),
            }
        }
    }

    /// One last line, which says why there are no more. A stream that just broke would be asked
    /// for again and again.
    async fn give_up(&mut self, error: &io::Error, len: u64) -> io::Result<Bytes> {
        let line = damaged(error) + "\n";
        let number = self.line().await.unwrap_or(1);
        let mut block = Blocks::default().render(self.offset, number, line.as_bytes(), &[]);
        block.end = len;
        Ok(self.pass(block))
    }

    async fn render(&mut self, lines: &[u8], ended: bool) -> io::Result<Bytes> {
        let number = self.line().await?;
        let blocks = self.blocks()?.unwrap_or_default();
        let times = self.times(&blocks, number, lines, ended).await;
        let block = blocks.render(self.offset, number, lines, &times);
        Ok(self.pass(block))
    }

    /// When `lines` were printed; nothing if that cannot be known.
    async fn times(
        &mut self,
        blocks: &Arc<Blocks>,
        from: u64,
        lines: &[u8],
        ended: bool,
    ) -> Vec<(u64, i64)> {
        let (index, blocks) = (self.index.take(), Arc::clone(blocks));
        let feeds = memchr::memchr_iter(b'\n', lines).count() as u64;
        let to = (from + feeds).saturating_sub(u64::from(lines.ends_with(b"\n")));
        let find = move || {
            let index = blocks.index(|| index.and_then(|find| find()));
            index.and_then(|index| index.times(from, to).ok()).unwrap_or_default()
        };
        match ended {
            // Written a moment ago: the disk is not waited for.
            false => find(),
            true => tokio::task::spawn_blocking(find).await.unwrap_or_default(),
        }
    }

    fn pass(&mut self, block: Block) -> Bytes {
        self.offset = block.end;
        self.seen = block.end;
        self.line = Some(block.next_line);
        block.event
    }

    fn blocks(&mut self) -> io::Result<Option<Arc<Blocks>>> {
        if self.blocks.is_none() {
            self.blocks = self.log.file()?.map(|file| Blocks::of(&file)).transpose()?;
        }
        Ok(self.blocks.clone())
    }

    async fn line(&mut self) -> io::Result<u64> {
        if let Some(line) = self.line {
            return Ok(line);
        }
        let offset = self.offset;
        let Some(file) = self.log.file()?.filter(|_| offset > 0) else { return Ok(1) };
        let (index, blocks) = (self.index.take(), self.blocks()?.unwrap_or_default());
        let find = move || {
            let index = blocks.index(|| index.and_then(|find| find()));
            match index.and_then(|index| index.line_at(offset).ok()) {
                Some(line) => Ok(line),
                // Without an index the lines before it have to be counted.
                None => count_lines(&file, offset).map(|lines| lines + 1),
            }
        };
        tokio::task::spawn_blocking(find).await.map_err(io::Error::other)?
    }
}

/// Line ends before byte `end`, read piece by piece.
fn count_lines(file: &LogFile, end: u64) -> io::Result<u64> {
    let (mut buffer, mut at, mut lines) = (vec![0; CHUNK], 0_u64, 0);
    while at < end {
        let read = file.read_at(&mut buffer, at)?;
        let inside = usize::try_from(end - at).unwrap_or(CHUNK).min(read);
        let Some(bytes) = buffer.get(..inside).filter(|bytes| !bytes.is_empty()) else { break };
        lines += bytes.iter().filter(|b| **b == b'\n').count() as u64;
        at += read as u64;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::super::follow::tests::Growing;
    use super::*;
    use proptest::prelude::*;

    fn id(event: &[u8]) -> u64 {
        let text = std::str::from_utf8(event).unwrap();
        let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        id.parse().unwrap()
    }

    /// Reads to the end and says which byte offsets were passed.
    async fn offsets(events: &mut LogEvents) -> Vec<u64> {
        let mut ids = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            ids.push(id(&event));
        }
        ids
    }

    fn events(log: &Growing, from: u64) -> LogEvents {
        LogEvents::new(log.follow(), Box::new(|| None), from).unwrap()
    }

    #[tokio::test]
    async fn an_unfinished_line_waits_for_its_end() {
        let log = Growing::new();
        log.append(b"one\ntw");
        let mut watcher = events(&log, 0);
        assert_eq!(id(&watcher.next().await.unwrap().unwrap()), 4);
        let more = async {
            log.append(b"o");
            tokio::task::yield_now().await;
            log.append(b"\nthree");
        };
        let (second, ()) = tokio::join!(watcher.next(), more);
        assert_eq!(id(&second.unwrap().unwrap()), 8);
        log.end();
        assert_eq!(id(&watcher.next().await.unwrap().unwrap()), 13);
        assert!(watcher.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn line_numbers_go_on_where_the_offset_is() {
        let log = Growing::new();
        log.append(b"a\nb\nc\n");
        let mut watcher = events(&log, 4);
        assert_eq!(watcher.line().await.unwrap(), 3);
        watcher.next().await.unwrap();
        assert_eq!(watcher.line().await.unwrap(), 4);
    }

    #[tokio::test]
    async fn an_offset_behind_the_end_means_the_end() {
        let log = Growing::new();
        log.append(b"a\n");
        let mut watcher = events(&log, 99);
        log.append(b"b\n");
        assert_eq!(id(&watcher.next().await.unwrap().unwrap()), 4);
    }

    #[tokio::test]
    async fn a_line_without_end_is_sent_in_pieces() {
        let log = Growing::new();
        log.append(&vec![b'.'; CHUNK + 10]);
        let mut watcher = events(&log, 0);
        assert_eq!(id(&watcher.next().await.unwrap().unwrap()), CHUNK as u64);
        log.end();
        assert_eq!(offsets(&mut watcher).await, [CHUNK as u64 + 10]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn coming_back_at_any_event_gives_exactly_the_rest(
            pieces in prop::collection::vec("[ab\n]{0,40}", 1..10),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let log = Growing::new();
                let mut first = events(&log, 0);
                let write = async {
                    for piece in &pieces {
                        log.append(piece.as_bytes());
                        tokio::task::yield_now().await;
                    }
                    log.end();
                };
                let (ids, ()) = tokio::join!(offsets(&mut first), write);
                let whole = pieces.concat();
                let len = whole.len() as u64;
                assert_eq!(ids.last().copied().unwrap_or(0), len);
                assert!(ids.is_sorted_by(|a, b| a < b));
                for at in std::iter::once(0).chain(ids.iter().copied()) {
                    assert!(at == 0 || at == len || whole.as_bytes()[at as usize - 1] == b'\n');
                    let again = offsets(&mut events(&log, at)).await;
                    assert_eq!(again.last().copied().unwrap_or(at), len, "from {at}");
                    assert!(again.first().is_none_or(|first| *first > at));
                }
            });
        }
    }
}

//! The file between two environments: written once, readable by its owner alone, and read a page at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, ErrorKind, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::record::Record;
use crate::{
    Engine, Error, Result,
    vault::{FRAME_HEAD, Frame, HEADER_HEAD, Incoming, header_tail},
};

/// How many records are read at a time, and about how many bytes.
const PAGE: usize = 200;
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A file that is being written. Unless it is finished, it is removed.
pub(super) struct Writer {
    path: PathBuf,
    file: Option<File>,
}

impl Writer {
    /// Makes the file; whatever has the name already is left as it is.
    pub(super) async fn create(path: PathBuf) -> Result<Self> {
        blocking(move || {
            let mut options = OpenOptions::new();
            // `create_new` refuses a symbolic link too.
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&path).map_err(|error| unwritable(&error))?;
            Ok(Self { path, file: Some(file) })
        })
        .await
    }

    pub(super) async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.with(move |file| file.write_all(&chunk)).await
    }

    /// Returns when the file is durable.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.with(|file| file.sync_all()).await?;
        self.file = None;
        Ok(())
    }

    async fn with(&mut self, work: impl FnOnce(&mut File) -> io::Result<()> + Send + 'static) -> Result<()> {
        let file = self.file.as_ref().expect("it is there until the file is finished");
        let mut file = file.try_clone().map_err(|error| unwritable(&error))?;
        blocking(move || work(&mut file).map_err(|error| unwritable(&error))).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // A part of a file is of no use; it says so itself where it cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file's records, in their order. Each comes when all before it were whole and unchanged.
pub(super) struct Records {
    engine: Arc<Engine>,
    /// Away while a page is read.
    reader: Option<Reader>,
}

struct Reader {
    file: BufReader<File>,
    stream: Incoming,
    is_over: bool,
}

impl Records {
    pub(super) async fn open(engine: &Arc<Engine>, path: &Path) -> Result<Self> {
        let (engine, path) = (engine.clone(), path.to_owned());
        blocking(move || {
            let file = File::open(path).map_err(|error| unreadable(&error))?;
            let reader = Reader::begin(&engine, file)?;
            Ok(Self { engine, reader: Some(reader) })
        })
        .await
    }

    /// Begins again, with the same file.
    pub(super) async fn again(mut self) -> Result<Self> {
        let reader = self.reader.take();
        blocking(move || {
            let mut file = reader.expect("no page is being read").file.into_inner();
            file.rewind().map_err(|error| unreadable(&error))?;
            self.reader = Some(Reader::begin(&self.engine, file)?);
            Ok(self)
        })
        .await
    }

    /// The next page; nothing after the last one, when the file has come to its proper end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        let mut reader = self.reader.take().expect("one page is read at a time");
        let (reader, page) = blocking(move || {
            let page = reader.page();
            Ok((reader, page))
        })
        .await?;
        self.reader = Some(reader);
        page.map(|page| Some(page).filter(|page| !page.is_empty()))
    }
}

impl Reader {
    fn begin(engine: &Engine, file: File) -> Result<Self> {
        let mut file = BufReader::new(file);
        let mut head = [0; HEADER_HEAD];
        fill(&mut file, &mut head)?;
        let mut tail = vec![0; header_tail(&head)];
        fill(&mut file, &mut tail)?;
        Ok(Self { file, stream: engine.rows.vault().receive(&head, &tail)?, is_over: false })
    }

    fn page(&mut self) -> Result<Vec<Record>> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while !self.is_over && page.len() < PAGE && bytes < PAGE_BYTES {
            let mut head = [0; FRAME_HEAD];
            fill(&mut self.file, &mut head)?;
            let (length, frame) = self.stream.read_head(&head)?;
            let mut sealed = vec![0; length];
            fill(&mut self.file, &mut sealed)?;
            let text = self.stream.open_frame(frame, &sealed)?;
            bytes += length;
            match frame {
                Frame::Inner => page.push(Record::read(&text)?),
                Frame::Last => self.end(&text)?,
            }
        }
        Ok(page)
    }

    /// After the last frame nothing may follow.
    fn end(&mut self, text: &[u8]) -> Result<()> {
        let mut more = [0];
        match self.file.read(&mut more) {
            Ok(0) if text.is_empty() => self.is_over = true,
            Ok(_) => return Err(self.stream.altered()),
            Err(error) => return Err(unreadable(&error)),
        }
        Ok(())
    }
}

/// Reads as many bytes as there must be.
fn fill(file: &mut BufReader<File>, bytes: &mut [u8]) -> Result<()> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            Error::invalid("path", "ends before its end; copy the whole file, or export again, then import it")
        }
        _ => unreadable(&error),
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Internal { reason: "a file's work ended before its time".into() }))
}

fn unwritable(error: &io::Error) -> Error {
    Error::invalid("path", format!("cannot be written ({})", reason(error)))
}

fn unreadable(error: &io::Error) -> Error {
    Error::invalid("path", format!("cannot be read ({})", reason(error)))
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::AlreadyExists => "there is something of that name, which was left as it is",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        _ => "input/output error",
    }
}

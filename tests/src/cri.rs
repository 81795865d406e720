//! Requests of the container runtime interface, `runtime.v1`, as their bytes are on the wire: for a client that has no protobuf.
//!
//! ```text
//! request = 0 length(u32, the highest byte first) message            gRPC over HTTP/2
//! message = (field << 3 | 2, length, bytes)* (field << 3, number)*   protobuf; numbers and lengths are varints
//! ```

/// A message of protobuf.
#[derive(Debug, Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// The same with a text in `field`.
    #[must_use]
    pub fn text(self, field: u8, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// The same with another message in `field`.
    #[must_use]
    pub fn message(self, field: u8, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// The same with a number in `field`.
    #[must_use]
    pub fn number(mut self, field: u8, number: u8) -> Self {
        assert!(field < 16 && number < 128, "one byte each");
        self.0.extend([field << 3, number]);
        self
    }

    fn bytes(mut self, field: u8, bytes: &[u8]) -> Self {
        assert!(field < 16, "one byte");
        self.0.push(field << 3 | 2);
        let mut length = bytes.len();
        while length >= 128 {
            self.0.push(length.to_le_bytes()[0] | 0x80);
            length >>= 7;
        }
        self.0.push(length.to_le_bytes()[0]);
        self.0.extend_from_slice(bytes);
        self
    }

    /// The request that has it.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        [&[0][..], &length.to_be_bytes(), &self.0].concat()
    }
}

/// What stands for the id of a sandbox or a container, which has as many bytes; not `@`, which is how their number is written.
pub const ID: &str = "################################################################";

/// `PodSandboxConfig`: a pod in the machine's own network, which logs to a folder.
#[must_use]
pub fn sandbox(name: &str, logs: &str) -> Message {
    let metadata = Message::default().text(1, name).text(2, name).text(3, "test");
    // NamespaceOption: the network is the node's
    let namespaces = Message::default().number(1, 2);
    let linux = Message::default().message(2, &Message::default().message(1, &namespaces));
    Message::default().message(1, &metadata).text(3, logs).message(8, &linux)
}

/// `CreateContainerRequest`: a container of `image` in the sandbox [`ID`], whose output goes to `log` in the folder of logs.
#[must_use]
pub fn container(sandbox: &Message, image: &str, command: &[&str], log: &str) -> Message {
    let metadata = Message::default().text(1, "one");
    let mut config = Message::default().message(1, &metadata).message(2, &Message::default().text(1, image));
    for word in command {
        config = config.text(3, word);
    }
    Message::default().text(1, ID).message(2, &config.text(11, log)).message(3, sandbox)
}

/// A request of nothing but an id.
#[must_use]
pub fn by_id() -> Message {
    Message::default().text(1, ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of protobuf's own page on its encoding, and lengths of more than one byte.
    #[test]
    fn a_message_is_as_protobuf_has_it() {
        assert_eq!(Message::default().text(2, "testing").0, b"\x12\x07testing");
        assert_eq!(Message::default().number(1, 2).request(), [0, 0, 0, 0, 2, 8, 2]);
        let long = Message::default().text(1, &"x".repeat(300)).0;
        assert_eq!(long[..3], [0x0a, 0xac, 0x02]);
        assert_eq!(by_id().request().len(), 5 + 2 + 64);
    }
}

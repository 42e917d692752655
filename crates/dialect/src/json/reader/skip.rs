//! Passing over values: all of the grammar, none of the meaning.
//!
//! Depth costs no stack here, and nothing is allocated.

use super::{Invalid, Kind, Reader};

impl Reader<'_> {
    pub(super) fn skip_number(&mut self) -> Result<(), Invalid> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.error("a number has no digits")),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start {
            Err(self.error("a number has no digits"))
        } else {
            Ok(())
        }
    }

    /// Iterative, so that depth costs no stack; `closes` has one bit an open bracket, set for objects.
    pub(super) fn skip_value(&mut self) -> Result<(), Invalid> {
        let mut closes: u128 = 0;
        let base = self.depth;
        loop {
            match self.peek()? {
                kind @ (Kind::Object | Kind::Array) => {
                    let object = kind == Kind::Object;
                    self.enter()?;
                    closes = closes << 1 | u128::from(object);
                    if !self.empty(if object { b'}' } else { b']' })? {
                        if object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                    closes >>= 1;
                    self.leave();
                }
                Kind::String => {
                    self.at += 1;
                    self.at = self.closing()?.at + 1;
                }
                Kind::Number => self.skip_number()?,
                Kind::Bool => {
                    self.bool()?;
                }
                Kind::Null => self.literal("null")?,
            }
            loop {
                if self.depth == base {
                    return Ok(());
                }
                let object = closes & 1 == 1;
                if self.more(if object { b'}' } else { b']' })? {
                    closes >>= 1;
                    self.leave();
                    continue;
                }
                if object {
                    self.skip_key()?;
                }
                break;
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), Invalid> {
        self.white();
        self.take(b'"', "a member name in double quotes was expected")?;
        self.at = self.closing()?.at + 1;
        self.white();
        self.take(b':', "`:` was expected after a member name")
    }
}

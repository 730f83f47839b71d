// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite struct SHA256HasherTests {
  @Test(
    "agrees with the published examples",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ]
  )
  func examples(text: String, digest: String) {
    #expect(StoreFixture.sha256(Array(text.utf8)) == digest)
  }

  @Test("a million times a")
  func million() {
    #expect(
      StoreFixture.sha256(Array(repeating: UInt8(ascii: "a"), count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    )
  }

  @Test("the pieces don't matter", arguments: [1, 3, 55, 56, 63, 64, 65, 127, 128, 1000])
  func pieces(size: Int) {
    let bytes = StoreFixture.bytes(2_000)
    var hasher = SHA256Hasher()
    for start in stride(from: 0, to: bytes.count, by: size) {
      hasher.update(bytes.span.extracting(start..<min(bytes.count, start + size)))
    }
    #expect(hasher.hexadecimalDigest() == StoreFixture.sha256(bytes))
  }
}

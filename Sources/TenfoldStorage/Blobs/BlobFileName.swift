// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What the files of blobs are called.
///
/// A file has its key's own text for a name, but in a folder that ignores case, where `A` and `a` are one file, a key with
/// capitals is written in small letters, followed by `=`, which no key contains, and by one hexadecimal digit for each four
/// characters: the first of the four counts 8 if it is a capital, the last 1, and zeros at the end are left out. So `Ab-C`
/// becomes `ab-c=9`, and no name is longer than 251 characters.
enum BlobFileName {
  /// The names under which a key's file is looked for, first the one under which it is written.
  ///
  /// A folder that ignores case may have been copied to one that doesn't, so both are looked for there.
  static func names(of key: BlobKey, ignoresCase: Bool) -> [String] {
    guard let escaped = escaped(key) else { return [key.rawValue] }
    return ignoresCase ? [escaped] : [key.rawValue, escaped]
  }

  /// The name in a folder that ignores case; `nil` for a key without capitals.
  static func escaped(_ key: BlobKey) -> String? {
    var digits: [UInt8] = []
    for (index, byte) in key.rawValue.utf8.enumerated() {
      if index % 4 == 0 { digits.append(0) }
      let isCapital = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      if isCapital { digits[index / 4] |= 8 >> UInt8(index % 4) }
    }
    while digits.last == 0 { digits.removeLast() }
    if digits.isEmpty { return nil }
    return key.rawValue.lowercased() + "=" + digits.map { String($0, radix: 16) }.joined()
  }

  /// The key whose file has a name, in either form; `nil` when it is no blob's.
  static func key(of name: String) -> BlobKey? {
    guard let mark = name.firstIndex(of: "=") else { return try? BlobKey(name) }
    var bytes = Array(name[..<mark].utf8)
    for (group, digit) in name[name.index(after: mark)...].enumerated() {
      guard let value = digit.hexDigitValue else { return nil }
      for place in 0..<4 where value & (8 >> place) != 0 {
        let index = 4 * group + place
        guard index < bytes.count, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[index]) else {
          return nil
        }
        bytes[index] -= 32
      }
    }
    // Each key has one name only.
    guard let key = try? BlobKey(String(decoding: bytes, as: UTF8.self)), escaped(key) == name else {
      return nil
    }
    return key
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

/// Writes zip files, right ones and hostile ones.
struct ZipFixture {
  /// One member; whatever is `nil` is written truthfully.
  struct Member {
    var name: String
    var contents: [UInt8] = []
    /// 0 stored, 8 deflated (in stored blocks).
    var method: UInt16 = 8
    var flags: UInt16 = 0
    var attributes: UInt32 = 0
    var declaredSize: UInt64?
    var declaredCompressed: UInt64?
    var checksum: UInt32?
    var usesZip64 = false
    /// Compressed bytes to write instead of the deflated contents.
    var data: [UInt8]?
  }

  static func archive(_ members: [Member], zip64End: Bool = false) -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
      let data = member.data ?? (member.method == 8 ? storedDeflate(member.contents) : member.contents)
      var crc = CRC32Checksum()
      crc.update(member.contents.span)
      let checksum = member.checksum ?? crc.value
      let size = member.declaredSize ?? UInt64(member.contents.count)
      let compressed = member.declaredCompressed ?? UInt64(data.count)
      let header = UInt64(file.count)
      let name = Array(member.name.utf8)
      let common =
        little(UInt16(45)) + little(member.flags) + little(member.method) + little(UInt32(0))
        + little(checksum)
      file +=
        little(UInt32(0x0403_4b50)) + common + little(UInt32(truncatingIfNeeded: compressed))
        + little(UInt32(truncatingIfNeeded: size)) + little(UInt16(name.count)) + little(UInt16(0)) + name
        + data
      let extra =
        member.usesZip64
        ? little(UInt16(1)) + little(UInt16(24)) + little(size) + little(compressed) + little(header) : []
      let full = UInt32.max
      directory += little(UInt32(0x0201_4b50)) + little(UInt16(0x031e)) + common
      directory += little(member.usesZip64 ? full : UInt32(truncatingIfNeeded: compressed))
      directory += little(member.usesZip64 ? full : UInt32(truncatingIfNeeded: size))
      directory +=
        little(UInt16(name.count)) + little(UInt16(extra.count)) + little(UInt16(0)) + little(UInt32(0))
      directory += little(member.attributes) + little(member.usesZip64 ? full : UInt32(header)) + name + extra
    }
    let start = UInt64(file.count)
    let length = UInt64(directory.count)
    file += directory
    if zip64End {
      let record = UInt64(file.count)
      file +=
        little(UInt32(0x0606_4b50)) + little(UInt64(44)) + little(UInt32(0x002d_002d)) + little(UInt64(0))
      file += little(UInt64(members.count)) + little(UInt64(members.count)) + little(length) + little(start)
      file += little(UInt32(0x0706_4b50)) + little(UInt32(0)) + little(record) + little(UInt32(1))
    }
    let count = UInt16(members.count)
    file += little(UInt32(0x0605_4b50)) + little(UInt32(0)) + little(count) + little(count)
    file += little(zip64End ? UInt32.max : UInt32(length)) + little(zip64End ? UInt32.max : UInt32(start))
    return file + little(UInt16(0))
  }

  /// Deflate data in blocks that store their bytes.
  static func storedDeflate(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var start = 0
    repeat {
      let count = min(65_535, bytes.count - start)
      result.append(start + count == bytes.count ? 1 : 0)
      result += little(UInt16(count)) + little(~UInt16(count)) + bytes[start..<start + count]
      start += count
    } while start < bytes.count
    return result
  }

  static func little<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
    (0..<Integer.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> Integer($0 * 8)) }
  }
}

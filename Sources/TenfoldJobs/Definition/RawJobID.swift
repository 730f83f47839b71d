// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A job's 128-bit identifier without its type.
///
/// The first 48 bits are milliseconds since 1970, the rest is random, so ids sort by creation (approximately across
/// machines) and are made by the client: enqueueing again with the same id after a lost answer changes nothing.
public struct RawJobID: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  /// The first 64 bits: 48 bits of time, 16 random.
  public let high: UInt64
  /// The last 64 bits, random.
  public let low: UInt64

  /// Creates an identifier from its two halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Makes a new identifier from a time and a source of randomness.
  ///
  /// - Parameters:
  ///   - milliseconds: Milliseconds since 1970.
  ///   - generator: Gives 80 bits.
  public init(milliseconds: UInt64, using generator: inout some RandomNumberGenerator) {
    high =
      (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | UInt64(UInt16.random(in: .min ... .max, using: &generator))
    low = .random(in: .min ... .max, using: &generator)
  }

  /// Makes a new identifier from the wall clock and the system's randomness; it is greater than all that this
  /// process made before, so that jobs enqueued together keep their order.
  public init() {
    let milliseconds = UInt64(max(0, JobStoreClock.system.wall() / 1_000_000)) & 0xFFFF_FFFF_FFFF
    let start = milliseconds << 16 | UInt64(UInt16.random(in: 0..<0x8000))
    high = Self.newest.withLock { newest in
      newest = max(start, newest &+ 1)
      return newest
    }
    low = .random(in: .min ... .max)
  }

  /// The first half of the newest identifier of this process.
  private static let newest = Mutex<UInt64>(0)

  /// Reads an identifier as ``description`` prints it; `nil` for any other text.
  public init?(_ text: some StringProtocol) {
    // What parses numbers takes signs and capitals, too.
    guard text.utf8.count == 32, text.utf8.allSatisfy(Self.isDigit),
      let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  /// The 16 bytes, big-endian, so that bytes sort as the ids do.
  public var bytes: [UInt8] {
    (0..<16).map { index in
      UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index % 8)))
    }
  }

  /// Reads the 16 bytes that ``bytes`` gives; `nil` for another count.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// 32 hexadecimal digits.
  public var description: String {
    func padded(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    return padded(high) + padded(low)
  }

  /// Orders by time of creation.
  public static func < (left: Self, right: Self) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// The keys and values of all pages; the attention kernels' header draws the layout of one head.
///
/// A page holds 32 positions of all blocks: `[block][key-value head][keys, then values]`. Memory that no page has used
/// yet is address space only.
struct KeyValueMemory: Sendable {
  /// How many pages there are.
  let pageCount: Int
  /// How finely keys and values are rounded.
  let precision: KeyValuePrecision
  /// Halves of a page.
  let pageStride: Int
  private let headStride: Int
  /// Halves of a head's keys.
  private let keyLength: Int
  private let headCount: Int
  private let values: AlignedBuffer<UInt16>

  /// - Parameters:
  ///   - configuration: The model's shape.
  ///   - byteCount: The most memory to use; at least one page is made.
  ///   - precision: How finely keys and values are rounded.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull``.
  init(
    _ configuration: DecoderConfiguration,
    byteCount: Int,
    precision: KeyValuePrecision = .float16
  ) throws(ModelError) {
    let pageBytes = Self.bytesPerPage(configuration, precision)
    let pages = max(1, byteCount / pageBytes)
    try self.init(configuration, pageCount: pages, precision: precision)
  }

  init(
    _ configuration: DecoderConfiguration,
    pageCount: Int,
    precision: KeyValuePrecision = .float16
  ) throws(ModelError) {
    let length = configuration.headLength
    self.precision = precision
    keyLength = Self.halves(of: length, precision)
    headStride = keyLength + Self.halves(of: tenfold_value_stride(length), precision)
    headCount = configuration.keyValueHeadCount
    pageStride = headStride * headCount * configuration.blockCount
    self.pageCount = pageCount
    let (count, overflow) = pageCount.multipliedReportingOverflow(by: pageStride)
    guard !overflow else {
      throw ModelError(.storageFull, "\(pageCount) key-value pages can't be addressed.")
    }
    values = try ModelError.wrapping { () throws(KernelError) in try AlignedBuffer(count: count) }
  }

  /// The bytes that 32 tokens take.
  static func bytesPerPage(
    _ configuration: DecoderConfiguration,
    _ precision: KeyValuePrecision = .float16
  ) -> Int {
    let length = configuration.headLength
    let halves = halves(of: length, precision) + halves(of: tenfold_value_stride(length), precision)
    return halves * configuration.keyValueHeadCount * configuration.blockCount * 2
  }

  /// The halves that 32 positions of `length` values take: with 8 bits, two values in one, and a float for each
  /// position.
  private static func halves(of length: Int, _ precision: KeyValuePrecision) -> Int {
    let count = length * BlockAllocator.blockLength
    return precision == .int8 ? count / 2 + 2 * BlockAllocator.blockLength : count
  }

  /// The bytes of a page.
  var pageByteCount: Int { pageStride * MemoryLayout<UInt16>.stride }

  /// The first half of the first page.
  var base: UnsafeMutablePointer<UInt16> { unsafe values.base }

  /// Halves from the start of a page to a head's keys.
  func keyOffset(block: Int, head: Int) -> Int { (block * headCount + head) * headStride }

  /// Halves from the start of a page to a head's values.
  func valueOffset(block: Int, head: Int) -> Int { keyOffset(block: block, head: head) + keyLength }
}

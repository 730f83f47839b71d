// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// The keys and values of all pages, as halves; the attention kernels' header draws the layout of one head.
///
/// A page holds 32 positions of all blocks: `[block][key-value head][keys, then values]`. Memory that no page has used
/// yet is address space only.
struct KeyValueMemory: Sendable {
  /// How many pages there are.
  let pageCount: Int
  /// Halves of a page.
  let pageStride: Int
  private let headStride: Int
  private let keyLength: Int
  private let headCount: Int
  private let values: AlignedBuffer<UInt16>

  /// - Parameters:
  ///   - configuration: The model's shape.
  ///   - byteCount: The most memory to use; at least one page is made.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull``.
  init(_ configuration: DecoderConfiguration, byteCount: Int) throws(ModelError) {
    let pageBytes = Self.bytesPerPage(configuration)
    let pages = max(1, byteCount / pageBytes)
    try self.init(configuration, pageCount: pages)
  }

  init(_ configuration: DecoderConfiguration, pageCount: Int) throws(ModelError) {
    keyLength = configuration.headLength * BlockAllocator.blockLength
    headStride = keyLength + tenfold_value_stride(configuration.headLength) * BlockAllocator.blockLength
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
  static func bytesPerPage(_ configuration: DecoderConfiguration) -> Int {
    let length = configuration.headLength + tenfold_value_stride(configuration.headLength)
    return length * BlockAllocator.blockLength * configuration.keyValueHeadCount * configuration.blockCount
      * 2
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

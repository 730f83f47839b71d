// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Zeroed memory aligned to 64 bytes, in huge pages where it is large.
///
/// ```swift
/// let buffer = try AlignedBuffer<Float>(count: 1_024)
/// buffer.withMutableSpan { $0[0] = 1 }
/// ```
@safe
public final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  // Sendable: the memory has no lock. Whoever fills it does so before it is shared, or writes parts that no other thread
  // reads until the parallel region ends.

  /// The number of elements.
  public let count: Int
  /// The first element; valid as long as the buffer lives.
  @unsafe package let base: UnsafeMutablePointer<Element>
  @unsafe private let allocation: UnsafeMutableRawPointer
  private let mappedBytes: Int
  /// The buffer that this one is a part of.
  private let owner: AlignedBuffer<UInt8>?

  private static var hugePage: Int { 2 << 20 }

  /// Allocates zeroed memory.
  ///
  /// - Parameter count: The number of elements; 0 is allowed.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or ``KernelError/Code/outOfMemory``.
  public init(count: Int) throws(KernelError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, bytes < Int.max / 2 else {
      throw KernelError(
        .invalidShape,
        "a buffer of \(count) elements cannot exist: check the sizes it comes from"
      )
    }
    self.count = count
    owner = nil
    if bytes >= Self.hugePage {
      let mapped = bytes + Self.hugePage
      let address = unsafe mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | mapAnonymous, -1, 0)
      guard let address = unsafe address, unsafe address != MAP_FAILED else {
        throw KernelError(.outOfMemory, "no memory for a buffer of \(bytes) bytes")
      }
      let start = unsafe address.alignedUp(toMultipleOf: Self.hugePage)
      #if os(Linux) || os(Android)
      // Huge pages are worth up to 1.5 times the bandwidth when weights are streamed; a refusal does no harm.
      _ = unsafe madvise(start, bytes, adviseHugePages)
      #endif
      unsafe self.allocation = address
      self.mappedBytes = mapped
      unsafe self.base = start.bindMemory(to: Element.self, capacity: count)
    } else {
      var address: UnsafeMutableRawPointer?
      let size = max(64, (bytes + 63) & ~63)
      guard unsafe posix_memalign(&address, 64, size) == 0, let address = unsafe address else {
        throw KernelError(.outOfMemory, "no memory for a buffer of \(bytes) bytes")
      }
      unsafe memset(address, 0, size)
      unsafe self.allocation = address
      self.mappedBytes = 0
      unsafe self.base = address.bindMemory(to: Element.self, capacity: max(count, 1))
    }
  }

  /// A part of another buffer, which lives as long as this one.
  ///
  /// - Parameters:
  ///   - owner: The whole buffer.
  ///   - offset: Where the part begins, a multiple of 64 bytes.
  ///   - count: The elements of the part, which lies inside `owner`.
  package init(partOf owner: AlignedBuffer<UInt8>, at offset: Int, count: Int) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    precondition(
      count >= 0 && !overflow && offset >= 0 && offset.isMultiple(of: 64) && offset <= owner.count
        && bytes <= owner.count - offset,
      "a part of \(count) elements at \(offset) lies outside a buffer of \(owner.count) bytes"
    )
    self.count = count
    self.owner = owner
    mappedBytes = 0
    unsafe allocation = UnsafeMutableRawPointer(owner.base) + offset
    unsafe base = allocation.bindMemory(to: Element.self, capacity: max(count, 1))
  }

  deinit {
    guard owner == nil else { return }
    if mappedBytes > 0 {
      unsafe munmap(allocation, mappedBytes)
    } else {
      unsafe free(allocation)
    }
  }

  /// The number of bytes that the elements take.
  public var byteCount: Int { count * MemoryLayout<Element>.stride }

  /// Reads the elements.
  ///
  /// - Parameter body: Receives all elements.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withSpan<Result, Failure: Error>(
    _ body: (Span<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeBufferPointer(start: base, count: count).span)
  }

  /// Reads and writes the elements; nothing else may use them meanwhile.
  ///
  /// - Parameter body: Receives all elements.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withMutableSpan<Result, Failure: Error>(
    _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let buffer = unsafe UnsafeMutableBufferPointer(start: base, count: count)
    var span = unsafe buffer.mutableSpan
    return try body(&span)
  }
}

#if canImport(Darwin)
private let mapAnonymous = MAP_ANON
#else
private let mapAnonymous = Int32(MAP_ANONYMOUS)

/// MADV_HUGEPAGE, which the C library's module does not always export.
private let adviseHugePages: Int32 = 14
#endif

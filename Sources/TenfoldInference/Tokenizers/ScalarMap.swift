// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A number for some Unicode scalars: pages of 256 scalars, of which only those with a number take memory.
struct ScalarMap: Sendable {
  /// Where the page of each 256 scalars begins in `values`; those without numbers share the first.
  private var pages = [Int32](repeating: 0, count: 0x1100)
  private var values = [UInt32](repeating: 0, count: 256)

  /// The number of a scalar; 0 where it has none.
  @inline(__always)
  subscript(scalar: UInt32) -> UInt32 {
    get { values[Int(pages[Int(scalar >> 8)]) + Int(scalar & 0xff)] }
    set {
      if pages[Int(scalar >> 8)] == 0 {
        pages[Int(scalar >> 8)] = Int32(truncatingIfNeeded: values.count)
        values += repeatElement(0, count: 256)
      }
      values[Int(pages[Int(scalar >> 8)]) + Int(scalar & 0xff)] = newValue
    }
  }
}

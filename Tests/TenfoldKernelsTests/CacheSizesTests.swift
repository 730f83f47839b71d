// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

@testable import TenfoldKernels
import Testing

@Suite("Cache sizes")
struct CacheSizesTests {
  @Test("are read as the kernel prints them")
  func parses() {
    #expect(CacheSizes.parse("32K\n") == 32 << 10)
    #expect(CacheSizes.parse("2M") == 2 << 20)
    #expect(CacheSizes.parse(" 4096 \n") == 4_096)
    for text in ["", "K", "-1K", "0", "12 apples", "99999999999999999999K"] {
      #expect(CacheSizes.parse(text) == nil)
    }
  }

  @Test("fall back to usual ones where the machine says nothing or nonsense")
  func fallsBack() {
    #expect(CacheSizes(level1: nil, level2: nil) == CacheSizes(level1: 32 << 10, level2: 512 << 10))
    #expect(CacheSizes(level1: 1, level2: Int.max) == CacheSizes(level1: 32 << 10, level2: 512 << 10))
    let apple = CacheSizes(level1: 128 << 10, level2: 3 << 20)
    #expect(apple.level1 == 128 << 10 && apple.level2 == 3 << 20)
  }

  @Test("of this machine are plausible")
  func current() {
    #expect(CacheSizes.current.level1 >= 8 << 10 && CacheSizes.current.level2 >= 64 << 10)
  }
}

#if !DEBUG
import Foundation
import TenfoldInference
import Testing
@Suite struct ZZSpeed {
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TENFOLD_SPEED"] != nil)) func speed() throws {
    let which = ProcessInfo.processInfo.environment["TENFOLD_SPEED"] ?? "smol"
    let path = which == "smol" ? DecoderGolden.smol : DecoderGolden.qwenHalf
    let clock = ContinuousClock()
    var t = clock.now
    let model = try DecoderModel(GGUFFile(path: path!), threads: 1)
    print("\(which) load \(clock.now - t)")
    let s = try DecoderSession(model, contextLength: 2048, threads: 1)
    let v = model.vocabularySize
    let tok = { (i: Int) in Int32(100 + (i * 7919) % (v - 200)) }
    for n in [128, 512] {
      var best = 1e9
      for _ in 0..<4 { s.rewind(); t = clock.now; _ = try s.evaluate((0..<n).map(tok)) { $0[0] }
        let d = clock.now - t; best = min(best, Double(d.components.attoseconds) * 1e-18 + Double(d.components.seconds)) }
      print("\(which) prefill \(n): \(Double(n) / best) tok/s")
    }
    for depth in [0, 1024] {
      s.rewind(); if depth > 0 { _ = try s.evaluate((0..<depth).map(tok)) { $0[0] } }
      var times: [Double] = []
      for i in 0..<128 { t = clock.now; _ = try s.evaluate([tok(i)]) { $0[0] }
        let d = clock.now - t; times.append(Double(d.components.attoseconds) * 1e-18 + Double(d.components.seconds)) }
      times.sort()
      print("\(which) decode@\(depth): median \(1 / times[64]) p10 \(1 / times[12]) mean \(128 / times.reduce(0, +)) tok/s")
    }
  }
}
#endif

// SPDX-License-Identifier: Apache-2.0
// The serial line between the simulated chip and its host: a script of what the host sends and when, or a terminal.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "types.hpp"

namespace tinyformer {

// What the host sends, after the program has printed `expect`; without it, after the program has gone quiet.
struct SerialStep {
    std::string expect, send;
};

class SerialLine {
public:
    // `patience`: cycles without output after which a program that listens counts as quiet.
    void configure(Cycle patience) { patience_ = patience; }
    void add(SerialStep step) { script_.push_back(std::move(step)); }
    // Bytes come from and go to a file descriptor, which does not block.
    void attach(int terminal) { terminal_ = terminal; }

    // The program printed a character, on a serial port or otherwise.
    void printed(char character, bool on_port, Cycle now);
    // The program listens: it polls, or enabled the receive interrupt or DMA.
    void listen(Cycle now);
    // The program does nothing but wait for input, at least as far as a host could tell. With a terminal this sleeps
    // for a moment. Returns whether there is something to receive.
    bool wait(Cycle now);

    bool available(Cycle now);
    std::uint8_t take(Cycle now);

    bool live() const { return terminal_ >= 0; }
    // Whether the host will send more, as far as is known.
    bool pending() const { return !bytes_.empty() || next_ < script_.size(); }
    bool has_bytes() const { return !bytes_.empty(); }
    bool used() const { return !script_.empty() || live(); }
    bool listening() const { return listening_; }
    // When a pending step comes due by the passing of time alone.
    Cycle due(Cycle now) const;
    // When something was last printed or received.
    Cycle last_activity() const { return last_activity_; }

private:
    void advance(Cycle now);
    void send_step();
    void read_terminal();

    std::vector<SerialStep> script_;
    std::size_t next_ = 0;            // step
    std::string heard_;               // printed since the last step
    std::deque<std::uint8_t> bytes_;  // sent and not received
    int terminal_ = -1;
    Cycle patience_ = 0, last_activity_ = 0, listening_since_ = 0;
    bool listening_ = false;
};

}  // namespace tinyformer

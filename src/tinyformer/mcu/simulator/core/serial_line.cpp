// SPDX-License-Identifier: Apache-2.0
#include "serial_line.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "peripheral.hpp"

namespace tinyformer {

namespace {

constexpr int kNapMilliseconds = 2;
constexpr std::size_t kMostHeard = 1 << 16;  // of what was printed, kept to look for the expected text

}  // namespace

void SerialLine::printed(char character, bool on_port, Cycle now) {
    last_activity_ = now;
    if (live()) {
        if (on_port && write(terminal_, &character, 1) < 0) return;  // nobody reads: as on a line without a host
        return;
    }
    if (next_ >= script_.size()) return;
    heard_ += character;
    const std::string& expected = script_[next_].expect;
    if (!expected.empty() && character == expected.back() && heard_.size() >= expected.size() &&
        heard_.compare(heard_.size() - expected.size(), expected.size(), expected) == 0) {
        send_step();
    }
    if (heard_.size() > 2 * kMostHeard) heard_.erase(0, heard_.size() - kMostHeard);
}

void SerialLine::listen(Cycle now) {
    if (listening_) return;
    listening_ = true;
    listening_since_ = now;
}

void SerialLine::send_step() {
    for (const char character : script_[next_].send) bytes_.push_back(static_cast<std::uint8_t>(character));
    ++next_;
    heard_.clear();
}

Cycle SerialLine::due(Cycle now) const {
    if (!listening_ || !bytes_.empty() || next_ >= script_.size() || !script_[next_].expect.empty()) return kNever;
    return std::max(now, std::max(last_activity_, listening_since_) + patience_);
}

void SerialLine::advance(Cycle now) {
    if (live() && bytes_.empty()) read_terminal();
    if (due(now) <= now) send_step();
}

void SerialLine::read_terminal() {
    std::uint8_t buffer[256];
    const ssize_t count = read(terminal_, buffer, sizeof buffer);
    for (ssize_t index = 0; index < count; ++index) bytes_.push_back(buffer[index]);
}

bool SerialLine::wait(Cycle now) {
    listen(now);
    if (live()) {
        if (bytes_.empty()) read_terminal();
        if (bytes_.empty()) {
            pollfd descriptor{terminal_, POLLIN, 0};
            poll(&descriptor, 1, kNapMilliseconds);
            read_terminal();
        }
    } else if (bytes_.empty() && next_ < script_.size() && script_[next_].expect.empty()) {
        send_step();
    }
    return !bytes_.empty();
}

bool SerialLine::available(Cycle now) {
    if (bytes_.empty()) advance(now);
    return !bytes_.empty();
}

std::uint8_t SerialLine::take(Cycle now) {
    const std::uint8_t byte = bytes_.front();
    bytes_.pop_front();
    last_activity_ = now;
    return byte;
}

}  // namespace tinyformer

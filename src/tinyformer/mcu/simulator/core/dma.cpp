// SPDX-License-Identifier: Apache-2.0
#include "dma.hpp"

#include <algorithm>

namespace tinyformer {

namespace {

constexpr Address kStreamBytes = 0x18, kFirstStream = 0x10, kChannelBytes = 0x14, kFirstChannel = 0x08;
// Flags of a stream within its six bits, and of a channel within its four.
constexpr std::uint32_t kStreamHalf = 1u << 4, kStreamComplete = 1u << 5;
constexpr std::uint32_t kChannelComplete = 1u << 1, kChannelHalf = 1u << 2, kChannelAny = 1u << 0;
constexpr unsigned kStreamShift[4] = {0, 6, 16, 22};

}  // namespace

unsigned DmaController::flags_shift(std::size_t channel) const {
    return kind_ == Kind::Channels ? static_cast<unsigned>(4 * channel) : kStreamShift[channel % 4];
}

DmaController::Channel* DmaController::channel_at(Address offset, Address* reg) {
    const Address first = bit(kFirstChannel, kFirstStream), bytes = bit(kChannelBytes, kStreamBytes);
    if (offset < first || (offset - first) / bytes >= channels_.size()) return nullptr;
    *reg = (offset - first) % bytes;
    return &channels_[(offset - first) / bytes];
}

std::uint32_t DmaController::read(Address offset, Cycle now) {
    advance(now);
    Address reg = 0;
    if (const Channel* channel = channel_at(offset, &reg)) {
        switch (reg) {
            case 0x00:
                return channel->control;
            case 0x04:
                if (Uart* port = receiver(*channel)) port->polled(now);
                return channel->count;
            case 0x08:
                return channel->peripheral;
            case 0x0C:
                return channel->memory;
            default:
                return 0;
        }
    }
    std::uint32_t flags = 0;
    for (std::size_t index = 0; index < channels_.size(); ++index) {
        if (kind_ == Kind::Streams && index / 4 != offset / 4) continue;
        const Channel& channel = channels_[index];
        std::uint32_t own = 0;
        if (channel.half) own |= bit(kChannelHalf | kChannelAny, kStreamHalf);
        if (channel.complete) own |= bit(kChannelComplete | kChannelAny, kStreamComplete);
        flags |= own << flags_shift(index);
    }
    return flags;
}

void DmaController::write(Address offset, std::uint32_t value, Cycle now) {
    advance(now);
    Address reg = 0;
    if (Channel* channel = channel_at(offset, &reg)) {
        if (reg == 0x00) {
            const bool starts = (value & 1) != 0 && !enabled(*channel);
            channel->control = value;
            if (starts) {
                channel->reload = channel->count;
                channel->position = 0;
            }
        } else if (reg == 0x04) {
            channel->count = value & 0xFFFF;
        } else if (reg == 0x08) {
            channel->peripheral = value;
        } else if (reg == 0x0C) {
            channel->memory = value;
        }
        return;
    }
    const Address first_clear = bit(0x04, 0x08);
    if (offset < first_clear) return;
    for (std::size_t index = 0; index < channels_.size(); ++index) {
        if (kind_ == Kind::Streams && index / 4 != (offset - first_clear) / 4) continue;
        const std::uint32_t cleared = value >> flags_shift(index);
        if ((cleared & bit(kChannelHalf | kChannelAny, kStreamHalf)) != 0) channels_[index].half = false;
        if ((cleared & bit(kChannelComplete | kChannelAny, kStreamComplete)) != 0) channels_[index].complete = false;
    }
}

Uart* DmaController::receiver(const Channel& channel) const {
    const bool to_peripheral = has(channel, 1u << 4, 1u << 6);
    if (!enabled(channel) || channel.count == 0 || to_peripheral) return nullptr;
    for (Uart* port : ports_) {
        if (port->receive_address() == channel.peripheral && port->receives_by_dma()) return port;
    }
    return nullptr;
}

Uart* DmaController::sender(const Channel& channel) const {
    const bool to_peripheral = has(channel, 1u << 4, 1u << 6);
    if (!enabled(channel) || channel.count == 0 || !to_peripheral) return nullptr;
    for (Uart* port : ports_) {
        if (port->transmit_address() == channel.peripheral && port->sends_by_dma()) return port;
    }
    return nullptr;
}

// A byte has been moved.
void DmaController::moved(Channel* channel) {
    ++channel->position;
    --channel->count;
    if (channel->position == channel->reload / 2) channel->half = true;
    if (channel->count != 0) return;
    channel->complete = true;
    if (has(*channel, 1u << 5, 1u << 8)) {  // circular
        channel->count = channel->reload;
        channel->position = 0;
    } else if (kind_ == Kind::Streams) {
        channel->control &= ~1u;
    }
}

void DmaController::advance(Cycle now) {
    for (Channel& channel : channels_) {
        if (Uart* port = receiver(channel); port != nullptr && port->available(now)) {
            const auto byte = static_cast<std::uint8_t>(port->receive(now));
            memory_.load(channel.memory + channel.position, &byte, 1);
            moved(&channel);
        }
        while (Uart* port = sender(channel)) {
            const std::uint8_t* byte = memory_.host(channel.memory + channel.position);
            port->send(byte == nullptr ? '\0' : static_cast<char>(*byte), now);
            moved(&channel);
            if (channel.position == 0) break;  // once around
        }
    }
}

Cycle DmaController::next_action(Cycle now) {
    Cycle next = kNever;
    for (const Channel& channel : channels_) {
        if (Uart* port = receiver(channel)) next = std::min(next, port->next_byte(now));
    }
    return next;
}

bool DmaController::asks(std::size_t index) const {
    const Channel& channel = channels_[index];
    return (channel.half && has(channel, 1u << 2, 1u << 3)) || (channel.complete && has(channel, 1u << 1, 1u << 4));
}

}  // namespace tinyformer

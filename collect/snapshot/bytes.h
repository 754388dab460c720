// Feeds the JSON parser with characters from a source that is read in pieces, and bounds the length
// of a single token, which the parser would have to store.
#pragma once

#include <array>
#include <cstddef>
#include <iterator>

#include "collect/snapshot/parse.h"

namespace connleak::collect {

class SnapshotBytes {
  public:
    explicit SnapshotBytes(const ReadBytes& read) : read_(read) { fill(); }

    [[nodiscard]] bool ended() const { return at_ == size_; }
    [[nodiscard]] char current() const { return buffer_[at_]; }
    // Whether a text or number was longer than any in a snapshot; the input ends there.
    [[nodiscard]] bool too_long() const { return too_long_; }
    [[nodiscard]] std::size_t count() const { return count_; }

    void next() {
        watch(buffer_[at_]);
        ++count_;
        if (++at_ == size_) fill();
        if (word_ > longest_word) too_long_ = true, at_ = size_ = 0;
    }

  private:
    static constexpr std::size_t longest_word = std::size_t{64} * 1024;

    void fill() {
        at_ = 0;
        size_ = read_(buffer_);
    }
    // Counts the bytes of the string, number or literal that is being read.
    void watch(char byte) {
        ++word_;
        if (in_string_) {
            if (escaped_)
                escaped_ = false;
            else if (byte == '\\')
                escaped_ = true;
            else if (byte == '"')
                in_string_ = false, word_ = 0;
            return;
        }
        switch (byte) {
            case '"':
                in_string_ = true;
                word_ = 0;
                break;
            case ' ':
            case '\t':
            case '\r':
            case '\n':
            case ',':
            case ':':
            case '[':
            case ']':
            case '{':
            case '}':
                word_ = 0;
                break;
            default:
                break;
        }
    }

    const ReadBytes& read_;
    std::array<char, std::size_t{64} * 1024> buffer_{};
    std::size_t at_ = 0;
    std::size_t size_ = 0;
    std::size_t count_ = 0;
    std::size_t word_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    bool too_long_ = false;
};

// The input iterator for nlohmann::json.
class SnapshotIterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = char;

    SnapshotIterator() = default;  // the end iterator
    explicit SnapshotIterator(SnapshotBytes& bytes) : bytes_(&bytes) {}

    char operator*() const { return bytes_->current(); }
    SnapshotIterator& operator++() {
        bytes_->next();
        return *this;
    }
    void operator++(int) { bytes_->next(); }
    bool operator==(const SnapshotIterator& other) const { return at_end() == other.at_end(); }

  private:
    [[nodiscard]] bool at_end() const { return bytes_ == nullptr || bytes_->ended(); }

    SnapshotBytes* bytes_ = nullptr;
};

}  // namespace connleak::collect

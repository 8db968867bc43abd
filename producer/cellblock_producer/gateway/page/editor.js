// A text area with line numbers, of which single ones can be marked.

export class Editor {
  constructor(place, onChange, onRun) {
    this.text = document.createElement('textarea')
    this.text.spellcheck = false
    this.text.autocapitalize = 'off'
    this.text.setAttribute('aria-label', place.dataset.label)
    this.gutter = document.createElement('div')
    this.gutter.className = 'gutter'
    this.gutter.setAttribute('aria-hidden', 'true')
    place.append(this.gutter, this.text)
    this.marks = new Map()
    this.text.addEventListener('input', () => { this.mark(new Map()); onChange() })
    this.text.addEventListener('scroll', () => { this.gutter.scrollTop = this.text.scrollTop })
    this.text.addEventListener('keydown', (event) => this.press(event, onRun))
    this.draw()
  }

  get value() { return this.text.value }

  set value(value) {
    this.text.value = value
    this.mark(new Map())
  }

  // marks: from the number of a line to the class it is shown with.
  mark(marks) {
    this.marks = marks
    this.draw()
  }

  draw() {
    const count = this.text.value.split('\n').length
    const lines = []
    for (let number = 1; number <= count; number++) {
      const line = document.createElement('span')
      line.textContent = number
      if (this.marks.has(number)) line.className = this.marks.get(number)
      lines.push(line)
    }
    this.gutter.replaceChildren(...lines)
    this.gutter.scrollTop = this.text.scrollTop
  }

  press(event, onRun) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      onRun()
    } else if (event.key === 'Tab' && !event.shiftKey && !event.ctrlKey) {
      event.preventDefault()
      this.insert('    ')
    } else if (event.key === 'Enter' && !event.isComposing) {
      event.preventDefault()
      const before = this.text.value.slice(0, this.text.selectionStart)
      const line = before.slice(before.lastIndexOf('\n') + 1)
      const deeper = /[:{[(]\s*$/.test(line) ? '    ' : ''
      this.insert('\n' + line.match(/^\s*/)[0] + deeper)
    }
  }

  insert(text) {
    this.text.setRangeText(text, this.text.selectionStart, this.text.selectionEnd, 'end')
    this.text.dispatchEvent(new Event('input'))
  }
}

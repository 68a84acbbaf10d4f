/**
 * NoteEditor is a text field on top of a sticky note. What was written is stored once it is left.
 */
import {control, fill} from '../dom.js';
import {LONGEST_NOTE, NOTE} from './board-shapes.js';

const LEAST = {width: 190, height: 150}; // CSS pixels, for a thumb
const LETTERS = 22; // board units high, as on the note

export class NoteEditor {
  #form;
  #field;
  #board;
  #view;
  #onClose;
  #place = new CSSStyleSheet();
  /** The note that is edited; '': none. */
  #id = '';
  #before = '';
  /** What the note was last, should it be dropped meanwhile. @type {import('./board-shapes.js').Fields} */
  #last = {kind: 'note', at: [0, 0]};

  /**
   * @param {HTMLFormElement} form
   * @param {import('./board-model.js').Board} board
   * @param {import('./board-view.js').View} view
   * @param {(id: string) => void} onClose is told which note is to be worked on from there
   */
  constructor(form, board, view, onClose) {
    this.#form = form;
    this.#field = control(form, 'text');
    this.#field.maxLength = LONGEST_NOTE;
    this.#board = board;
    this.#view = view;
    this.#onClose = onClose;
    document.adoptedStyleSheets.push(this.#place);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.close();
    });
    this.#field.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' && !(event.key === 'Enter' && (event.ctrlKey || event.metaKey))) return;
      event.preventDefault();
      this.close();
    });
    form.addEventListener('focusout', ({relatedTarget}) => {
      if (!form.contains(/** @type {Node | null} */ (relatedTarget))) this.#finish();
    });
    board.on('shapes', ({ids}) => this.#id && [...ids].includes(this.#id) && this.#changed());
  }

  /** @param {string} id */
  open(id) {
    const note = this.#board.shapes.get(id);
    if (!note) return;
    this.#id = id;
    this.#before = note.text;
    this.#last = {kind: 'note', at: [note.x, note.y], color: note.color};
    this.#field.value = note.text;
    this.#form.hidden = false;
    fill(this.#form, 'conflict', '');
    this.#view.reveal({left: note.x, top: note.y, right: note.x + NOTE.w, bottom: note.y + NOTE.h});
    this.place();
    this.#field.focus({preventScroll: true});
    this.#field.select();
    this.#form.scrollIntoView({block: 'nearest'});
  }

  /** Stores the text and goes back to the board. */
  close() {
    const id = this.#id;
    this.#finish();
    if (id) this.#onClose(id);
  }

  /** Stays on the note. */
  place() {
    const note = this.#board.shapes.get(this.#id);
    if (!note) return;
    const {unit} = this.#view;
    const {left, top} = this.#view.position(note.x, note.y);
    const [width, height] = [Math.max(LEAST.width, NOTE.w / unit), Math.max(LEAST.height, NOTE.h / unit)];
    const right = this.#form.parentElement?.clientWidth ?? width;
    const bottom = this.#form.parentElement?.clientHeight ?? height;
    const [x, y] = [Math.max(0, Math.min(left, right - width)), Math.max(0, Math.min(top, bottom - height))];
    this.#place.replaceSync(`#board [name=note] { left: ${x}px; top: ${y}px; width: ${width}px; height: ${height}px; --letters: ${LETTERS / unit}px; }`);
    this.#form.dataset.color = String(note.color);
  }

  #finish() {
    const id = this.#id;
    if (!id) return;
    this.#id = '';
    this.#form.hidden = true;
    const text = this.#field.value;
    if (text === this.#before) return;
    if (this.#board.shapes.has(id)) this.#board.write(id, text);
    else this.#board.add({...this.#last, text});
  }

  /** Somebody else has changed the note. */
  #changed() {
    const note = this.#board.shapes.get(this.#id);
    if (!note) return fill(this.#form, 'conflict', 'Deleted by somebody: your text makes a new note.');
    this.#last = {kind: 'note', at: [note.x, note.y], color: note.color};
    this.place();
    if (note.text !== this.#before) fill(this.#form, 'conflict', 'Somebody else has written here: your text takes its place.');
  }
}
